/* The words of src/fleet/lifecycle.ts, and what a machine owes by its state and its open intent. */

mtype = { requested, provisioning, booting, ready, leased, stopping, stopped, released, resetting, parked,
          quarantined, deleting, deleted };
mtype = { no_step, stop, release, provision, delete };
mtype = { start, reset, launch };
mtype = { holding, ending };
mtype = { open, closed, sent, ended };
mtype = { done, failed };
/* Who has a closed batch in hand: nobody; somebody whose call has not been answered; somebody who has the answer. */
mtype = { nobody, calling, answered };

/* Kinds of intents are numbers, so that "harsher" is "greater". */
#define NO_INTENT  0
#define PROVISION  1
#define RECYCLE    2
#define PARK       3
#define QUARANTINE 4
#define RETIRE     5

#define HELD(state) (state == leased || state == stopping || state == stopped)

#define OWES_STOP(state, kind) \
  ((HELD(state) && state != stopped && kind >= RECYCLE) || (state == ready && (kind == PARK || kind == QUARANTINE)))
#define OWES_RELEASE(state, kind) (state == stopped && kind >= RECYCLE)
#define OWES_PROVISION(state, kind) \
  ((kind == PROVISION && (state == requested || state == provisioning || state == booting || state == resetting || state == parked)) \
  || (kind == RECYCLE && (state == booting || state == released || state == resetting)))
#define OWES_DELETE(state, kind) \
  (kind == RETIRE && state != requested && !HELD(state) && state != deleted)

/* Intents only escalate; an open provision becomes a retire and nothing else. */
#define MAY_REPLACE(old, new) \
  (old == NO_INTENT || (old == PROVISION && new == RETIRE) || (old > PROVISION && new > old))

/* The invariants of DESIGN section 9; I1L is that nothing takes effect under a later lease, I13 that nothing is begun
   without an open intent of its kind. */
mtype = { I1, I1L, I2, I3, I4, I5, I6, I7, I8, I9, I10, I13 };

#define MUST(invariant, condition) \
  if :: (condition) -> skip :: else -> printf("SAY BREAKS %e\n", invariant); assert(false) fi
