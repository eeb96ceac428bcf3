/*
 * Lanes: two machines that share batches, two batches of one lane, two leases for each machine. A call takes effect on
 * all its members at once, and each has an outcome of its own. Stops are never recognised when they come twice; resets
 * are by EC2 and are not by a scale set. Otherwise as in the core, with its states cut to what batches need.
 */
#include "parts/words.pml"

#define MACHINES 2
#ifndef LEASES
#define LEASES 2
#endif
#define BATCHES 2
#define NONE 7
#define MOST_LATE 1

mtype state[MACHINES] = ready;
byte kind[MACHINES] = NO_INTENT;
byte in_batch[MACHINES] = NONE;
byte leases[MACHINES] = 0;
bool dirty[MACHINES] = false;
bool running[MACHINES] = true;

typedef Batch {
  mtype state = ended;
  mtype verb = no_step;
  bool in_doubt = false;
  mtype holder = nobody;
  byte late = 0;
  /* Each machine's membership: frozen when the batch closes, waiting until its outcome. */
  bool member[MACHINES] = false;
  bool waiting[MACHINES] = false;
  byte era[MACHINES] = 0;
  mtype outcome[MACHINES] = no_step;
};
Batch batch[BATCHES];
bool reset_is_safe = false;

#define REPLAY_SAFE(b) (batch[b].verb == reset && reset_is_safe)
#define HAS_OUTCOME(b) \
  ((!batch[b].member[0] || batch[b].outcome[0] != no_step) && (!batch[b].member[1] || batch[b].outcome[1] != no_step))

inline effect_on(b, m) {
  if
  :: batch[b].member[m] ->
    MUST(I1L, state[m] != ready && !(state[m] == leased && leases[m] > batch[b].era[m]));
    if
    :: batch[b].verb == stop -> running[m] = false; batch[b].outcome[m] = done
    :: batch[b].verb == reset -> running[m] = true; dirty[m] = false; batch[b].outcome[m] = done
    :: batch[b].outcome[m] = failed
    fi
  :: else -> skip
  fi
}

inline take_effect(b) {
  if
  :: REPLAY_SAFE(b) && HAS_OUTCOME(b) -> skip
  :: else ->
    printf("SAY cloud: the %e of batch %d takes effect on its members\n", batch[b].verb, b);
    effect_on(b, 0);
    effect_on(b, 1)
  fi
}

#ifdef WITHOUT_RULE_3_BATCH
#define FREE_OF_BATCH(m) true
#else
#define FREE_OF_BATCH(m) (in_batch[m] == NONE)
#endif

#define IS_FREE(b) (batch[b].state == ended && batch[b].late == 0)
#define TAKES(b, wanted) (IS_FREE(b) || (batch[b].state == open && batch[b].verb == wanted))

inline join(m, b, wanted, next) {
  printf("SAY machine %d: joins batch %d to %e\n", m, b, wanted);
  batch[b].state = open;
  batch[b].verb = wanted;
  batch[b].member[m] = true;
  batch[b].waiting[m] = true;
  batch[1 - b].waiting[m] = false;
  batch[b].era[m] = leases[m];
  in_batch[m] = b;
  state[m] = next
}

inline retire(m) { if :: kind[m] == RECYCLE -> kind[m] = RETIRE :: else -> skip fi }

#ifdef WITHOUT_RULE_1
#define TAKEN_OVER(b, m) false
#else
#ifdef WITHOUT_RULE_1_FOR_ALL
/* Only the first member of a batch that was taken over is retired. */
#define TAKEN_OVER(b, m) (m == 0 && batch[b].in_doubt && !REPLAY_SAFE(b) && in_batch[m] == b)
#else
#define TAKEN_OVER(b, m) (batch[b].in_doubt && !REPLAY_SAFE(b) && in_batch[m] == b)
#endif
#endif

inline settle(b, m) {
  if
  :: batch[b].waiting[m] && in_batch[m] == b && batch[b].outcome[m] != no_step ->
    printf("SAY machine %d: its %e is %e\n", m, batch[b].verb, batch[b].outcome[m]);
    in_batch[m] = NONE;
    if
    :: batch[b].outcome[m] == failed -> retire(m)
    :: else -> skip
    fi;
    if
    :: batch[b].verb == stop -> state[m] = released
    :: batch[b].verb == reset && batch[b].outcome[m] == done && kind[m] == RECYCLE -> state[m] = ready; kind[m] = NO_INTENT
    :: else -> skip
    fi
  :: else -> skip
  fi;
  batch[b].waiting[m] = false
}

inline forget(b) {
  if
  :: batch[b].state == ended && batch[b].late == 0 ->
    batch[b].verb = no_step;
    batch[b].member[0] = false; batch[b].member[1] = false;
    batch[b].era[0] = 0; batch[b].era[1] = 0;
    batch[b].outcome[0] = no_step; batch[b].outcome[1] = no_step
  :: else -> skip
  fi
}

inline end_batch(b) {
  batch[b].state = ended; batch[b].holder = nobody; batch[b].in_doubt = false;
  batch[b].waiting[0] = false; batch[b].waiting[1] = false;
  forget(b)
}

inline lose(b, m) {
  if
  :: batch[b].waiting[m] && in_batch[m] == b -> in_batch[m] = NONE
  :: else -> skip
  fi
}

#ifdef WITHOUT_LANE
#define LANE_IS_FREE(b) true
#else
#define LANE_IS_FREE(b) (batch[1 - b].state != closed)
#endif

inline batch_steps(b) {
  if
  :: batch[b].state == open && LANE_IS_FREE(b) ->
    printf("SAY worker: closes batch %d and is about to send it\n", b);
    batch[b].state = closed; batch[b].holder = calling; batch[b].in_doubt = true
  :: batch[b].state == closed && batch[b].holder == nobody ->
    printf("SAY another worker: takes batch %d over and sends it again\n", b);
    if :: TAKEN_OVER(b, 0) -> retire(0) :: else -> skip fi;
    if :: TAKEN_OVER(b, 1) -> retire(1) :: else -> skip fi;
    batch[b].holder = calling; batch[b].in_doubt = true
  :: batch[b].holder != nobody ->
    printf("SAY worker: falls silent with batch %d\n", b);
    if
    :: batch[b].holder == calling && batch[b].late < MOST_LATE -> batch[b].late++
    :: skip
    fi;
    batch[b].holder = nobody
#ifdef WITHOUT_RULE_2_DOUBT
  :: batch[b].holder == calling && batch[b].late < MOST_LATE ->
    printf("SAY worker: books the lost answer of batch %d as a failure, to try again in a new batch\n", b);
    batch[b].late++;
    lose(b, 0); lose(b, 1); end_batch(b)
#endif
  :: batch[b].holder == calling -> batch[b].holder = answered; take_effect(b)
  :: batch[b].holder == calling && batch[b].late < MOST_LATE ->
    printf("SAY cloud: accepts batch %d\n", b);
    batch[b].late++; batch[b].state = sent; batch[b].holder = nobody; batch[b].in_doubt = false
  :: batch[b].holder == answered -> batch[b].state = sent; batch[b].holder = nobody; batch[b].in_doubt = false
  /* A look: each member's own outcome. */
  :: batch[b].state == sent && HAS_OUTCOME(b) -> settle(b, 0); settle(b, 1); end_batch(b)
  :: batch[b].late > 0 -> batch[b].late--; take_effect(b); forget(b)
  :: batch[b].late > 0 && batch[b].state == ended -> batch[b].late--; forget(b)
  fi
}

#ifdef WITHOUT_RULE_3_RETIRE
#define HARDEN(m) skip
#else
#define HARDEN(m) retire(m)
#endif

#define machine_steps(m) \
  :: atomic { state[m] == ready && kind[m] == NO_INTENT && leases[m] < LEASES -> \
       MUST(I4, !dirty[m] && running[m]); leases[m]++; dirty[m] = true; state[m] = leased; \
       printf("SAY machine %d: lease %d begins\n", m, leases[m]) } \
  :: atomic { state[m] == leased && kind[m] == NO_INTENT -> kind[m] = RECYCLE; printf("SAY machine %d: its lease ends\n", m) } \
  :: atomic { state[m] == leased && kind[m] >= RECYCLE && FREE_OF_BATCH(m) && TAKES(0, stop) -> join(m, 0, stop, stopping) } \
  :: atomic { state[m] == leased && kind[m] >= RECYCLE && FREE_OF_BATCH(m) && !TAKES(0, stop) && TAKES(1, stop) -> join(m, 1, stop, stopping) } \
  :: atomic { (state[m] == released || state[m] == resetting) && kind[m] == RECYCLE && FREE_OF_BATCH(m) && TAKES(0, reset) -> join(m, 0, reset, resetting) } \
  :: atomic { (state[m] == released || state[m] == resetting) && kind[m] == RECYCLE && FREE_OF_BATCH(m) && !TAKES(0, reset) && TAKES(1, reset) -> join(m, 1, reset, resetting) } \
  /* Deadlines: given up in the middle of a call. */ \
  :: atomic { (state[m] == stopping || state[m] == resetting) && in_batch[m] != NONE -> \
       printf("SAY machine %d: is given up at its deadline\n", m); \
       HARDEN(m); batch[0].waiting[m] = false; batch[1].waiting[m] = false; in_batch[m] = NONE; \
       if :: state[m] == stopping -> state[m] = released :: else -> skip fi }

active proctype Fleet() {
  atomic { if :: reset_is_safe = true :: reset_is_safe = false fi };
end:
  do
  machine_steps(0)
  machine_steps(1)
  :: atomic { batch_steps(0) }
  :: atomic { batch_steps(1) }
  /* Retired and in no batch: deleted, and no longer of interest. */
  :: atomic { kind[0] == RETIRE && in_batch[0] == NONE && !HELD(state[0]) && state[0] != deleted -> state[0] = deleted }
  :: atomic { kind[1] == RETIRE && in_batch[1] == NONE && !HELD(state[1]) && state[1] != deleted -> state[1] = deleted }
  od
}
