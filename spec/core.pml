/*
 * The core: one machine, three leases, any number of workers. A job for any step may be delivered at any moment, out of
 * order, twice or never; a lock may be lost whenever it likes, so that it keeps nobody out; a worker may sleep or die
 * at every step; a cloud call takes effect at any moment after it was decided on, or never, also when its sender is
 * dead. (flow.pml has jobs, their order, and the lock as things of their own.)
 *
 * One guarded statement of src/storage is one atomic step. Numbers that are only ever compared for equality (fencing
 * tokens) are bits: a holder's bit says "mine is the newest", and raising the token clears every holder's.
 */
#include "parts/words.pml"
#include "parts/core-state.pml"
#include "parts/core-cloud.pml"
#include "parts/core-acts.pml"
#include "parts/core-batches.pml"
#include "parts/core-world.pml"

active proctype Fleet() {
  byte b = NONE;
  atomic { if :: reset_is_safe = true :: reset_is_safe = false fi };
end:
  do
  :: atomic { OWES_STOP(state, kind) -> do_stop() }
  :: atomic { OWES_RELEASE(state, kind) -> do_release() }
  :: atomic { OWES_PROVISION(state, kind) && state != booting || (state == booting && halted) -> do_provision() }
  :: atomic { MAY_DELETE -> do_delete() }
  :: atomic { state == booting && in_batch == NONE && !halted && exists && running && !probed -> probed = true }
  :: atomic { MAY_BECOME_READY -> become_ready() }
  :: atomic { batch_steps(0) }
  :: atomic { batch_steps(1) }
  :: atomic { MAY_MATCH && leases < LEASES -> match() }
  :: atomic { lease == holding && kind == NO_INTENT ->
       printf("SAY lease %d ends, its machine is to be used again\n", leases); open_intent(RECYCLE) }
  :: atomic { OPENS(PROVISION) -> printf("SAY a parked machine is wanted\n"); open_intent(PROVISION) }
  :: atomic { OPENS(PARK) -> printf("SAY intent: park\n"); open_intent(PARK) }
  :: atomic { OPENS(QUARANTINE) -> printf("SAY intent: quarantine\n"); open_intent(QUARANTINE) }
  :: atomic { OPENS(RETIRE) -> printf("SAY intent: retire\n"); open_intent(RETIRE) }
#ifdef WITHOUT_RULE_7_ESCALATION
  :: atomic { kind > RECYCLE && HELD(state) -> printf("SAY intent: recycle\n"); open_intent(RECYCLE) }
#endif
  :: atomic { state != deleted -> recover() }
  /* Spot loss. */
  :: atomic { exists -> printf("SAY cloud: takes the machine away\n"); exists = false; running = false }
  od
}
