/*
 * The flow and the lock: one machine, three leases, two workers that are given jobs. A flow gives its jobs in order, but
 * a dozen ordinary operations let any job come at any moment; the lock keeps others out until it runs out, which it may
 * while its owner sleeps. What keeps the promise is the claim, and behind it the foreign key. Switches make the flow or
 * the lock perfect, to show that they are no substitute.
 */
#include "parts/words.pml"

#define WORKERS 2
#define LEASES 3
#define NONE 7

mtype state = ready;
byte kind = NO_INTENT;
bool in_batch = false;
bool holds = false;
byte leases = 0;
bool dirty = false;
bool exists = true;

byte lock = NONE;
mtype job[WORKERS] = no_step;
/* Past its claim and before its call's outcome; `newest` says that its fencing token is. */
bool in_call[WORKERS] = false;
bool newest[WORKERS] = false;
byte era[WORKERS] = 0;

#ifdef WITHOUT_CLAIM
#define CLAIMS(owes) true
#define FINISHES(w) true
#else
#define CLAIMS(owes) (owes && !in_batch)
#define FINISHES(w) newest[w]
#endif

#ifdef WITHOUT_FOREIGN_KEY
#define KEY_ALLOWS(next) true
#else
#define KEY_ALLOWS(next) (!holds || HELD(next))
#endif

/* Flow jobs in their order, of the open intent; else (bypassed, rung, doubled) any job at any time. */
#ifdef FLOW_IN_ORDER
bool strayed = false;
#ifdef STRAY_DELETE
#define MAY_STRAY(step) (step == delete && !strayed)
#else
#define MAY_STRAY(step) false
#endif
#define DELIVERS(step, owes) (owes || MAY_STRAY(step))
#define NOTE_STRAY(owes) if :: owes -> skip :: else -> strayed = true fi
#else
#define DELIVERS(step, owes) true
#define NOTE_STRAY(owes) skip
#endif

#define take(step, owes) \
  :: atomic { job[w] == no_step && lock == NONE && state != deleted && kind != NO_INTENT && DELIVERS(step, owes) -> \
       NOTE_STRAY(owes); lock = w; job[w] = step; printf("SAY worker %d: is given a job to %e, and locks the machine\n", w, step) }

inline let_go(w) {
  if :: lock == w -> lock = NONE :: else -> skip fi;
  job[w] = no_step; in_call[w] = false; newest[w] = false; era[w] = 0
}

inline claim(w, owes, next) {
  if
  :: CLAIMS(owes) && KEY_ALLOWS(next) ->
    printf("SAY worker %d: claims, machine %e -> %e\n", w, state, next);
    state = next;
    in_batch = true;
    newest[1 - w] = false; newest[w] = true; in_call[w] = true; era[w] = leases
  :: else -> printf("SAY worker %d: is refused\n", w); let_go(w)
  fi
}

inline release_machine(w) {
  if
  :: CLAIMS(OWES_RELEASE(state, kind)) ->
    printf("SAY worker %d: releases\n", w);
    holds = false;
    state = released
  :: else -> skip
  fi;
  let_go(w)
}

/* The call takes effect: at once here, late in the core. */
inline call(w) {
  printf("SAY cloud: the %e of worker %d takes effect\n", job[w], w);
  MUST(I1, !(job[w] == delete && holds));
  MUST(I1L, !(holds && leases > era[w]) && state != ready);
  if
  :: job[w] == delete -> exists = false
  :: job[w] == provision -> dirty = false
  :: else -> skip
  fi;
  in_call[w] = false
}

inline finish(w) {
  if
  :: FINISHES(w) ->
    in_batch = false;
    if
    :: job[w] == stop -> state = stopped
    :: job[w] == delete && KEY_ALLOWS(deleted) -> state = deleted; kind = NO_INTENT
    :: job[w] == provision && kind == RECYCLE -> state = ready; kind = NO_INTENT
    :: else -> skip
    fi
  :: else -> skip
  fi;
  let_go(w)
}

active [WORKERS] proctype Worker() {
  byte w = _pid;
end:
  do
  take(stop, OWES_STOP(state, kind))
  take(release, OWES_RELEASE(state, kind))
  take(provision, OWES_PROVISION(state, kind))
  take(delete, OWES_DELETE(state, kind))
  :: atomic { job[w] == stop && !in_call[w] && !newest[w] -> claim(w, OWES_STOP(state, kind), stopping) }
  :: atomic { job[w] == release -> release_machine(w) }
  :: atomic { job[w] == provision && !in_call[w] && !newest[w] -> claim(w, OWES_PROVISION(state, kind), resetting) }
  :: atomic { job[w] == delete && !in_call[w] && !newest[w] -> claim(w, OWES_DELETE(state, kind), deleting) }
  :: atomic { in_call[w] -> call(w) }
  :: atomic { job[w] != no_step && !in_call[w] && newest[w] -> finish(w) }
  od
}

active proctype World() {
end:
  do
  :: atomic { state == ready && kind == NO_INTENT && leases < LEASES ->
       MUST(I4, !dirty); MUST(I2, !holds);
       leases++; holds = true; dirty = true; state = leased; newest[0] = false; newest[1] = false;
       printf("SAY match: lease %d begins\n", leases) }
  :: atomic { state == leased && kind == NO_INTENT -> kind = RECYCLE; printf("SAY lease %d ends, its machine is to be used again\n", leases) }
  :: atomic { state != deleted && MAY_REPLACE(kind, RETIRE) -> kind = RETIRE; printf("SAY intent: retire\n") }
#ifndef LOCK_IS_PERFECT
  :: atomic { lock != NONE -> printf("SAY the lock of worker %d runs out\n", lock); lock = NONE }
#endif
  /* recover.ts: its worker is gone or sleeps; it is retired, and whoever had claimed it is fenced off. */
  :: atomic { in_batch && state != deleted -> printf("SAY reconcile: gives the machine up in %e\n", state);
       kind = RETIRE; in_batch = false; newest[0] = false; newest[1] = false;
       if :: state == stopping -> state = stopped :: else -> skip fi }
  od
}
