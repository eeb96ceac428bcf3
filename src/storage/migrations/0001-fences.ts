import { lifecycleDdl } from '../lifecycle-ddl.ts';

/** Triggers that refuse what no statement may do, however it is spelled. */
export const FENCES = [
  `create function drover_refuse() returns trigger language plpgsql as $$
    begin
      raise exception using errcode = 'check_violation',
        message = format('%s may not go from %s to %s', tg_table_name, old.state, new.state),
        hint = 'src/fleet/lifecycle.ts holds the table of legal moves';
    end $$`,
  `create trigger machine_moves before update on machine for each row
    when (old.state <> new.state and old.state || '/' || new.state not in (${lifecycleDdl.machineMoves}))
    execute function drover_refuse()`,
  `create trigger lease_moves before update on lease for each row
    when (old.state <> new.state and old.state || '/' || new.state not in (${lifecycleDdl.leaseMoves}))
    execute function drover_refuse()`,
  `create function drover_refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception using errcode = 'check_violation',
        message = format('%s: %s', tg_table_name, tg_argv[0]);
    end $$`,
  `create trigger machine_token before update on machine for each row
    when (new.token < old.token or new.id <> old.id)
    execute function drover_refuse_change('a fencing token never goes down and an id never changes')`,
  `create trigger machine_instance before update on machine for each row
    when (old.instance_id is not null and new.instance_id is distinct from old.instance_id)
    execute function drover_refuse_change('a machine keeps its instance')`,
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
  `create trigger batch_kept before delete on batch for each row
    when (old.state <> 'ended')
    execute function drover_refuse_change('only an ended batch''s row may be purged')`,
  `create trigger batch_truncate before truncate on batch
    execute function drover_refuse_change('batches are purged one by one, never truncated')`,
  `create trigger instance_condemned before update on instance for each row
    when (old.condemned_at is not null and new.condemned_at is null
      or old.condemned_at is not null and old.machine_id is null and new.machine_id is not null
      or old.machine_id is not null and new.machine_id is not null and new.machine_id <> old.machine_id)
    execute function drover_refuse_change('a condemned instance stays condemned, an adopted one keeps its machine')`,
];
