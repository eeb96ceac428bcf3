/** Two hundred rows before and after are paired by a hash: the planner takes them for one row each, and compares all. */
const PAIRED = 'set enable_nestloop = off';

/** The append-only log, written by triggers so that no statement can leave it out, and what tells of a change at once. */
export const LOG = [
  `create table transition (
    seq bigint generated always as identity primary key,
    entity text not null check (entity in ('machine', 'lease', 'batch', 'instance', 'owed', 'stale')),
    subject text not null,
    machine_id uuid,
    pool text,
    placement text,
    from_state text,
    to_state text not null,
    token bigint,
    intent_id uuid,
    intent_kind text,
    lease_id uuid,
    batch_id uuid,
    instance_id text,
    flag boolean,
    outcome text,
    deadline_at timestamptz,
    detail jsonb,
    by text,
    at timestamptz not null
  )`,
  `create index transition_machine on transition (machine_id, seq) where entity = 'machine'`,
  `create function drover_log_machine() returns trigger language plpgsql ${PAIRED} as $$
    begin
      if tg_op = 'INSERT' then
        insert into transition (entity, subject, machine_id, pool, placement, from_state, to_state, token, intent_id,
            intent_kind, lease_id, batch_id, instance_id, flag, deadline_at, by, at)
          select 'machine', id::text, id, pool, placement, null, state, token, intent_id,
            intent_kind, lease_id, batch_id, instance_id, clean, deadline_at, changed_by, changed_at from new_rows;
      else
        insert into transition (entity, subject, machine_id, pool, placement, from_state, to_state, token, intent_id,
            intent_kind, lease_id, batch_id, instance_id, flag, deadline_at, by, at)
          select 'machine', n.id::text, n.id, n.pool, n.placement, o.state, n.state, n.token, n.intent_id,
            n.intent_kind, n.lease_id, n.batch_id, n.instance_id, n.clean, n.deadline_at, n.changed_by, n.changed_at
          from new_rows n join old_rows o on o.id = n.id
          where (o.state, o.token, o.intent_id, o.lease_id, o.batch_id, o.instance_id, o.deadline_at)
            is distinct from (n.state, n.token, n.intent_id, n.lease_id, n.batch_id, n.instance_id, n.deadline_at);
      end if;
      return null;
    end $$`,
  `create trigger machine_log_insert after insert on machine referencing new table as new_rows
    for each statement execute function drover_log_machine()`,
  `create trigger machine_log_update after update on machine referencing old table as old_rows new table as new_rows
    for each statement execute function drover_log_machine()`,
  `create function drover_log_lease() returns trigger language plpgsql ${PAIRED} as $$
    begin
      if tg_op = 'INSERT' then
        insert into transition (entity, subject, machine_id, pool, from_state, to_state, lease_id, outcome, deadline_at, at)
          select 'lease', id::text, machine_id, pool, null, state, id, outcome, deadline_at, changed_at from new_rows;
      else
        insert into transition (entity, subject, machine_id, pool, from_state, to_state, lease_id, outcome, deadline_at, at)
          select 'lease', n.id::text, n.machine_id, n.pool, o.state, n.state, n.id, n.outcome, n.deadline_at, n.changed_at
          from new_rows n join old_rows o on o.id = n.id
          where (o.state, o.deadline_at) is distinct from (n.state, n.deadline_at);
        -- Many to a notification, which takes less than 8000 bytes: each one is work for every listener.
        perform pg_notify('drover_lease', string_agg(id::text, ' ')) from (
          select n.id, row_number() over () / 200 as part from new_rows n join old_rows o on o.id = n.id
            where o.state <> n.state) changed group by part;
      end if;
      return null;
    end $$`,
  `create trigger lease_log_insert after insert on lease referencing new table as new_rows
    for each statement execute function drover_log_lease()`,
  `create trigger lease_log_update after update on lease referencing old table as old_rows new table as new_rows
    for each statement execute function drover_log_lease()`,
  `create function drover_log_instance() returns trigger language plpgsql as $$
    begin
      insert into transition (entity, subject, machine_id, pool, placement, to_state, batch_id, instance_id, flag,
          outcome, by, at)
        select 'instance', id, machine_id, pool, placement, case when gone is null then 'here' else 'gone' end, batch_id,
          id, condemned_at is not null, gone, changed_by, changed_at from new_rows;
      return null;
    end $$`,
  `create trigger instance_log_insert after insert on instance referencing new table as new_rows
    for each statement execute function drover_log_instance()`,
  `create trigger instance_log_update after update on instance referencing new table as new_rows
    for each statement execute function drover_log_instance()`,
  `create function drover_log_batch() returns trigger language plpgsql ${PAIRED} as $$
    begin
      insert into transition (entity, subject, pool, from_state, to_state, token, batch_id, outcome, by, at)
        select 'batch', n.id::text, n.lane, o.state, n.state, n.token, n.id, n.verb, n.changed_by, n.changed_at
        from new_rows n join old_rows o on o.id = n.id where (o.state, o.token) is distinct from (n.state, n.token);
      return null;
    end $$`,
  `create trigger batch_log_update after update on batch referencing old table as old_rows new table as new_rows
    for each statement execute function drover_log_batch()`,
];

export const BELLS = [
  `create function drover_ring() returns trigger language plpgsql as $$
    begin
      -- A guard that owes nobody a wake inserts nothing, and a notification holds up every other commit.
      if exists (select from new_rows) then perform pg_notify('drover_outbox', ''); end if;
      return null;
    end $$`,
  `create trigger outbox_ring after insert on outbox referencing new table as new_rows
    for each statement execute function drover_ring()`,
];
