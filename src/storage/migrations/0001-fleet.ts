import { Migration } from '@mikro-orm/migrations';
import { lifecycleDdl } from '../lifecycle-ddl.ts';

/** Tables, fences and the log of every change. See docs/decisions/0002-where-the-guarantee-lives.md. */
export class Fleet extends Migration {
  override name = '0001-fleet';

  override up(): void {
    for (const sql of [...TABLES, ...FENCES, ...LOG, ...BELLS]) this.addSql(sql);
  }
}

const TABLES = [
  `create table pool (
    name text primary key,
    spec jsonb not null,
    owner text not null check (owner in ('file', 'api')),
    draining boolean not null default false,
    recycle text not null check (recycle in ('reset', 'delete')),
    max_uses integer,
    max integer not null check (max >= 0),
    version bigint not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null
  )`,
  `create table placement (
    pool text not null references pool (name) on delete cascade,
    name text not null,
    failures integer not null default 0,
    cool_until timestamptz,
    failure text,
    primary key (pool, name)
  )`,
  `create table batch (
    id uuid primary key,
    lane text not null,
    verb text not null check (verb in ('launch', 'start', 'stop', 'reset', 'delete')),
    grp text not null,
    placement jsonb not null,
    state text not null check (state in ('open', 'closed', 'sent', 'ended')),
    token bigint not null default 0,
    size integer not null check (size > 0),
    count integer not null default 0,
    filled boolean not null default false,
    holds_lane boolean not null default false,
    in_doubt boolean not null default false,
    handle jsonb not null default 'null',
    close_at timestamptz not null,
    claimed_until timestamptz,
    look_at timestamptz,
    failures integer not null default 0,
    failure text,
    ring integer not null default 0,
    rung_at timestamptz,
    opened_at timestamptz not null,
    closed_at timestamptz,
    ended_at timestamptz,
    changed_by text not null,
    changed_at timestamptz not null
  )`,
  `create unique index batch_open on batch (lane, verb, grp) where state = 'open' and not filled`,
  `create unique index batch_holds_lane on batch (lane) where holds_lane`,
  `create index batch_unended on batch (lane) where ended_at is null`,
  `create table machine (
    id uuid primary key,
    pool text not null references pool (name),
    placement text not null,
    state text not null check (state in (${lifecycleDdl.machineStates})),
    intent_id uuid,
    intent_kind text check (intent_kind in (${lifecycleDdl.intentKinds})),
    token bigint not null default 0,
    claimed_until timestamptz,
    claimed_by text,
    batch_id uuid references batch (id),
    lease_id uuid,
    instance_id text unique,
    address text,
    clean boolean not null default false,
    halted boolean not null default false,
    uses integer not null default 0,
    owed text generated always as (${lifecycleDdl.owed}) stored,
    slot uuid generated always as (case when state in (${lifecycleDdl.heldStates}) then id end) stored unique,
    ring integer not null default 0,
    rung_at timestamptz,
    deadline_at timestamptz,
    state_since timestamptz not null,
    failures integer not null default 0,
    failure text,
    created_at timestamptz not null,
    changed_by text not null,
    changed_at timestamptz not null,
    check ((intent_id is null) = (intent_kind is null)),
    check (state <> 'ready' or clean),
    check (batch_id is null or state in (${lifecycleDdl.batchedStates})),
    check (lease_id is null or state in (${lifecycleDdl.heldStates})),
    check (lease_id is not null or state <> 'leased')
  )`,
  `create index machine_pool on machine (pool, state) where state <> 'deleted'`,
  `create index machine_deadline on machine (deadline_at) where deadline_at is not null`,
  `create index machine_owed on machine (changed_at) where owed is not null`,
  `create table lease (
    id uuid primary key,
    owner text not null,
    idempotency_key text,
    digest text not null,
    state text not null check (state in (${lifecycleDdl.leaseStates})),
    outcome text check (outcome in ('completed', 'failed', 'cancelled', 'expired', 'lost')),
    reason text,
    pools text[] not null,
    pool text,
    machine_id uuid,
    priority integer not null,
    wait_timeout_ms bigint not null,
    heartbeat_timeout_ms bigint not null,
    max_duration_ms bigint not null,
    requested_at timestamptz not null,
    active_at timestamptz,
    ended_at timestamptz,
    deadline_at timestamptz,
    changed_at timestamptz not null,
    held uuid generated always as (case when state in ('active', 'ending') then machine_id end) stored
      unique references machine (slot),
    unique (owner, idempotency_key),
    check (state not in ('active', 'ending') or machine_id is not null),
    check ((outcome is null) = (state in ('pending', 'active')))
  )`,
  `create index lease_pending on lease (requested_at) where state = 'pending'`,
  `create index lease_deadline on lease (deadline_at) where deadline_at is not null`,
  `create table intent (
    id uuid primary key,
    machine_id uuid not null references machine (id) on delete cascade,
    kind text not null check (kind in (${lifecycleDdl.intentKinds})),
    reason text not null,
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_why text check (closed_why in ('done', 'replaced')),
    check ((closed_at is null) = (closed_why is null))
  )`,
  `create unique index intent_open on intent (machine_id) where closed_at is null`,
  `create index intent_machine on intent (machine_id)`,
  `create table batch_member (
    batch_id uuid not null references batch (id) on delete cascade,
    machine_id uuid not null references machine (id) on delete cascade,
    token bigint not null,
    instance_id text,
    state text not null default 'pending' check (state in ('pending', 'done', 'failed', 'given-up')),
    failure text,
    primary key (batch_id, machine_id)
  )`,
  `create index batch_member_machine on batch_member (machine_id)`,
  `create table instance (
    id text primary key,
    pool text not null,
    placement text not null,
    batch_id uuid references batch (id) on delete set null,
    machine_id uuid unique references machine (id) on delete set null,
    address text,
    sighted_at timestamptz not null,
    missing_since timestamptz,
    condemned_at timestamptz,
    gone_at timestamptz,
    gone text check (gone in ('listed-gone', 'absent-from-listing')),
    changed_by text not null,
    changed_at timestamptz not null,
    check ((gone is null) = (gone_at is null))
  )`,
  `create index instance_batch on instance (batch_id)`,
  `create index instance_here on instance (pool, placement) where gone_at is null`,
  `create table outbox (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('flow', 'step', 'batch', 'wake', 'scale')),
    pool text,
    machine_id uuid,
    intent_id uuid,
    batch_id uuid,
    step text,
    ring integer not null default 0,
    job text,
    due_at timestamptz not null,
    tries integer not null default 0
  )`,
  `create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    by text not null,
    what text not null,
    subject text not null,
    detail jsonb not null default 'null'
  )`,
];

const FENCES = [
  `create function drover_refuse() returns trigger language plpgsql as $$
    begin
      raise exception using errcode = 'check_violation',
        message = format('%s may not go from %s to %s', tg_table_name, old.state, new.state),
        hint = 'src/fleet/lifecycle.ts holds the table of legal moves';
    end $$`,
  `create trigger machine_moves before update on machine for each row
    when (old.state <> new.state and not ((old.state, new.state) in (${lifecycleDdl.machineMoves})))
    execute function drover_refuse()`,
  `create trigger lease_moves before update on lease for each row
    when (old.state <> new.state and not ((old.state, new.state) in (${lifecycleDdl.leaseMoves})))
    execute function drover_refuse()`,
  `create function drover_refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception using errcode = 'check_violation',
        message = format('%s: %s', tg_table_name, tg_argv[0]);
    end $$`,
  `create trigger machine_token before update on machine for each row
    when (new.token < old.token or new.id <> old.id)
    execute function drover_refuse_change('a fencing token never goes down and an id never changes')`,
  `create trigger lease_machine before update on lease for each row
    when (old.machine_id is not null and new.machine_id is distinct from old.machine_id)
    execute function drover_refuse_change('a lease keeps its machine')`,
  `create trigger lease_outcome before update on lease for each row
    when (old.outcome is not null and (new.outcome is distinct from old.outcome
      or (new.state <> old.state and new.state <> old.outcome)))
    execute function drover_refuse_change('an ending lease becomes the outcome it shows')`,
  `create trigger machine_kept before delete on machine for each row
    when (old.state <> 'deleted')
    execute function drover_refuse_change('only a deleted machine''s row may be purged')`,
  `create trigger lease_kept before delete on lease for each row
    when (old.state in ('pending', 'active', 'ending'))
    execute function drover_refuse_change('only an ended lease''s row may be purged')`,
  `create trigger machine_truncate before truncate on machine
    execute function drover_refuse_change('machines are purged one by one, never truncated')`,
  `create trigger lease_truncate before truncate on lease
    execute function drover_refuse_change('leases are purged one by one, never truncated')`,
  `create trigger instance_condemned before update on instance for each row
    when (old.condemned_at is not null and new.condemned_at is null
      or old.condemned_at is not null and old.machine_id is null and new.machine_id is not null
      or old.machine_id is not null and new.machine_id is not null and new.machine_id <> old.machine_id)
    execute function drover_refuse_change('a condemned instance stays condemned, an adopted one keeps its machine')`,
];

const LOG = [
  `create table transition (
    seq bigint generated always as identity primary key,
    entity text not null check (entity in ('machine', 'lease', 'batch', 'instance', 'owed')),
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
    by text,
    at timestamptz not null
  )`,
  `create index transition_machine on transition (machine_id, seq)`,
  `create function drover_log_machine() returns trigger language plpgsql as $$
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
  `create function drover_log_lease() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into transition (entity, subject, machine_id, pool, from_state, to_state, lease_id, outcome, deadline_at, at)
          select 'lease', id::text, machine_id, pool, null, state, id, outcome, deadline_at, changed_at from new_rows;
      else
        insert into transition (entity, subject, machine_id, pool, from_state, to_state, lease_id, outcome, deadline_at, at)
          select 'lease', n.id::text, n.machine_id, n.pool, o.state, n.state, n.id, n.outcome, n.deadline_at, n.changed_at
          from new_rows n join old_rows o on o.id = n.id
          where (o.state, o.deadline_at) is distinct from (n.state, n.deadline_at);
        perform pg_notify('drover_lease', n.id::text) from new_rows n join old_rows o on o.id = n.id
          where o.state <> n.state;
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
  `create function drover_log_batch() returns trigger language plpgsql as $$
    begin
      insert into transition (entity, subject, pool, from_state, to_state, token, batch_id, outcome, by, at)
        select 'batch', n.id::text, n.lane, o.state, n.state, n.token, n.id, n.verb, n.changed_by, n.changed_at
        from new_rows n join old_rows o on o.id = n.id where (o.state, o.token) is distinct from (n.state, n.token);
      return null;
    end $$`,
  `create trigger batch_log_update after update on batch referencing old table as old_rows new table as new_rows
    for each statement execute function drover_log_batch()`,
];

const BELLS = [
  `create function drover_ring() returns trigger language plpgsql as $$
    begin
      perform pg_notify('drover_outbox', '');
      return null;
    end $$`,
  `create trigger outbox_ring after insert on outbox for each statement execute function drover_ring()`,
];
