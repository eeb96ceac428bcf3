/*
 * Progress: nothing stays stuck. One machine, two requests, jobs with their records in Redis, and three faults of any
 * kind: a job that fails for good, a worker that dies, Redis emptied, a cloud or a guest that never answers, a holder
 * that falls silent. Whenever nothing but a fault can happen, a round of reconcile follows; where a round finds
 * nothing to do, nothing may be owed; and there is a bound on the rounds.
 */
#include "parts/words.pml"

#ifndef FAULTS
#define FAULTS 3
#endif
#define REQUESTS 2
#define MOST_ROUNDS 24

mtype = { absent, waiting, live, dead, pending, over };
mtype = { none, asked, silent };

mtype state = booting;
byte kind = PROVISION;
bool clean = true;
byte faults = 0;
byte rounds = 0;

/* The call on the machine's behalf: asked for, or never to be answered. `attended`: its batch has a job. */
mtype call = none;
bool attended = false;
bool guest_is_silent = false;

/* Records of jobs in Redis: of the open intent's flow, by step; and the last one rung. */
mtype flow[3] = absent;
mtype rung = absent;
#define F_STOP 0
#define F_RELEASE 1
#define F_LAST 2

mtype lease[REQUESTS] = pending;
byte holder = REQUESTS;
bool holder_is_silent = false;

#define OWED \
  (OWES_STOP(state, kind) -> F_STOP : (OWES_RELEASE(state, kind) -> F_RELEASE : \
    ((OWES_PROVISION(state, kind) || OWES_DELETE(state, kind)) -> F_LAST : 3)))
#define IS_OWED (OWED < 3)
#define HAS_JOB (rung == live || flow[OWED] == live || flow[OWED] == waiting)
#define MAY_FAIL (faults < FAULTS)

/* open-intent.ts and lease-acts.ts: the flow of what is owed, published anew. */
inline open_intent(wish) {
  kind = wish;
  flow[F_STOP] = absent; flow[F_RELEASE] = absent; flow[F_LAST] = absent; rung = absent;
  if
  :: OWES_STOP(state, kind) -> flow[F_STOP] = live; flow[F_RELEASE] = waiting; flow[F_LAST] = (kind == QUARANTINE -> absent : waiting)
  :: OWES_RELEASE(state, kind) -> flow[F_RELEASE] = live; flow[F_LAST] = (kind == QUARANTINE -> absent : waiting)
  :: !HELD(state) && IS_OWED -> flow[F_LAST] = live
  :: else -> skip
  fi
}

inline end_lease() {
  if
  :: holder < REQUESTS && lease[holder] == holding -> lease[holder] = ending
  :: else -> skip
  fi
}

/* A flow's job has nothing left to do. */
inline complete(step) {
  flow[step] = absent;
  if
  :: flow[step + 1] == waiting -> flow[step + 1] = live
  :: else -> skip
  fi
}

inline fail_parent(step) { if :: flow[step] == waiting -> flow[step] = dead :: else -> skip fi }

/* A step is done: so is the last job rung, and the flow's, which it wakes where it was not the one. */
inline done_with(step) {
  rung = absent;
  if
  :: step == F_LAST -> flow[F_LAST] = absent
  :: else -> skip
  fi
}

inline do_step() {
  if
  :: OWES_STOP(state, kind) -> state = stopping; call = asked; attended = true; printf("SAY worker: asks for the stop\n")
  :: OWES_RELEASE(state, kind) ->
    printf("SAY worker: releases\n");
    if :: holder < REQUESTS -> lease[holder] = over; holder = REQUESTS :: else -> skip fi;
    holder_is_silent = false;
    state = (kind == QUARANTINE -> quarantined : released);
    done_with(F_RELEASE)
  :: OWES_PROVISION(state, kind) && state != booting -> state = resetting; call = asked; attended = true; printf("SAY worker: asks for the reset\n")
  :: OWES_PROVISION(state, kind) && state == booting ->
    printf("SAY worker: its probe is answered\n");
    state = ready; kind = NO_INTENT; done_with(F_LAST)
  :: OWES_DELETE(state, kind) -> state = deleting; call = asked; attended = true; printf("SAY worker: asks for the deletion\n")
  fi
}

inline answer() {
  call = none; attended = false;
  if
  :: state == stopping -> state = stopped; done_with(F_STOP)
  :: state == resetting && kind == RECYCLE -> state = booting; clean = true; flow[F_LAST] = live
  :: state == deleting -> state = deleted; kind = NO_INTENT; done_with(F_LAST)
  :: else -> skip
  fi;
  printf("SAY cloud: answers, machine %e\n", state)
}

#define IS_READY_STEP (call == none && (state != booting || !guest_is_silent || kind == RETIRE))

#define MAY_STEP (IS_OWED && (flow[OWED] == live || rung == live) && IS_READY_STEP)
#define MAY_ANSWER (call == asked && attended)
#define MAY_MATCH (state == ready && kind == NO_INTENT && (lease[0] == pending || lease[1] == pending))
#define MAY_END (holder < REQUESTS && lease[holder] == holding && !holder_is_silent && kind == NO_INTENT)
/* A job that finds its step done ends quietly, and its parent waits no longer. */
#define MAY_COMPLETE(step, owes) (flow[step] == live && call == none && !(owes))
#define MAY_COMPLETE_ANY \
  (MAY_COMPLETE(F_STOP, OWES_STOP(state, kind)) || MAY_COMPLETE(F_RELEASE, OWES_RELEASE(state, kind)))
#define IS_QUIET (!(MAY_STEP || MAY_ANSWER || MAY_MATCH || MAY_END || MAY_COMPLETE_ANY))

active proctype Fleet() {
  flow[F_LAST] = live;
end:
  do
  :: atomic { MAY_STEP -> do_step() }
  :: atomic { MAY_ANSWER -> answer() }
  :: atomic { MAY_MATCH ->
       if :: lease[0] == pending -> holder = 0 :: else -> holder = 1 fi;
       lease[holder] = holding; state = leased; clean = false; printf("SAY match: lease %d begins\n", holder) }
  :: atomic { MAY_END ->
       printf("SAY lease %d ends\n", holder); lease[holder] = ending; open_intent(RECYCLE) }
  :: atomic { MAY_COMPLETE(F_STOP, OWES_STOP(state, kind)) -> complete(F_STOP) }
  :: atomic { MAY_COMPLETE(F_RELEASE, OWES_RELEASE(state, kind)) -> complete(F_RELEASE) }
  /* The faults. A job that fails has its parents fail. */
  :: atomic { MAY_FAIL && IS_OWED && flow[OWED] == live && call == none -> faults++; printf("SAY a job fails for good\n");
       flow[OWED] = dead; fail_parent(F_RELEASE); fail_parent(F_LAST) }
  :: atomic { MAY_FAIL && rung == live && call == none -> faults++; rung = dead; printf("SAY a rung job fails for good\n") }
  :: atomic { MAY_FAIL -> faults++; flow[0] = absent; flow[1] = absent; flow[2] = absent; rung = absent; attended = false;
       printf("SAY Redis is emptied\n") }
  :: atomic { MAY_FAIL && call == asked && attended -> faults++; attended = false; printf("SAY the batch's worker dies\n") }
  :: atomic { MAY_FAIL && call == asked -> faults++; call = silent; printf("SAY the cloud never answers\n") }
  :: atomic { MAY_FAIL && state == booting -> faults++; guest_is_silent = true; printf("SAY the guest never answers\n") }
  :: atomic { MAY_FAIL && state == leased && kind == NO_INTENT -> faults++; holder_is_silent = true; printf("SAY the holder falls silent\n") }
  /* An operator, once or never. */
  :: atomic { MAY_FAIL && (state == leased || state == stopping) && MAY_REPLACE(kind, QUARANTINE) -> faults++;
       printf("SAY operator: quarantines it\n"); end_lease(); open_intent(QUARANTINE) }
  od
}

#ifdef WITHOUT_RINGS
#define MAY_RING false
#else
#define MAY_RING (IS_OWED && !HAS_JOB && call == none)
#endif
#ifdef WITHOUT_BATCH_RINGS
#define MAY_RING_BATCH false
#else
#define MAY_RING_BATCH (call == asked && !attended)
#endif
#ifdef WITHOUT_BOOTING_DEADLINE
#define BOOTS_TOO_LONG false
#else
#define BOOTS_TOO_LONG (state == booting && kind != RETIRE && guest_is_silent)
#endif
#ifdef WITHOUT_QUARANTINE_DEADLINE
#define KEPT_TOO_LONG false
#else
#define KEPT_TOO_LONG (state == quarantined && kind != RETIRE)
#endif
#ifdef WITHOUT_CALL_DEADLINE
#define WAITS_TOO_LONG false
#else
#define WAITS_TOO_LONG (call == silent)
#endif
#ifdef WITHOUT_HEARTBEAT
#define HELD_TOO_LONG false
#else
#define HELD_TOO_LONG (state == leased && kind == NO_INTENT && holder_is_silent)
#endif
#ifdef WITHOUT_WAIT_TIME
#define ASKS_TOO_LONG(r) false
#else
#define ASKS_TOO_LONG(r) (lease[r] == pending)
#endif

/* Under the mutant a ring reuses the id of the flow's job, which BullMQ ignores while that record exists. */
inline ring() {
#ifdef WITHOUT_RULE_9
  if
  :: flow[OWED] == absent -> flow[OWED] = live
  :: else -> skip
  fi
#else
  rung = live
#endif
}

active proctype Reconcile() {
end:
  do
  :: atomic {
       IS_QUIET ->
       rounds++;
       MUST(I6, rounds < MOST_ROUNDS);
       if
       :: MAY_RING -> printf("SAY reconcile: rings the step that is owed\n"); ring()
       :: MAY_RING_BATCH -> printf("SAY reconcile: rings the batch\n"); attended = true
       :: BOOTS_TOO_LONG -> printf("SAY reconcile: retires what boots too long\n"); open_intent(RETIRE)
       :: KEPT_TOO_LONG -> printf("SAY reconcile: retires what was quarantined\n"); open_intent(RETIRE)
       :: HELD_TOO_LONG -> printf("SAY reconcile: ends a lease whose holder is silent\n"); end_lease(); open_intent(RECYCLE)
       :: WAITS_TOO_LONG ->
         printf("SAY reconcile: gives up a call without an answer\n");
         call = none; attended = false;
         if :: state == stopping -> state = stopped :: else -> skip fi;
         if
         :: kind == QUARANTINE || kind == RETIRE -> rung = live
         :: else -> open_intent(RETIRE)
         fi
       :: ASKS_TOO_LONG(0) && state == deleted -> printf("SAY reconcile: request 0 has waited too long\n"); lease[0] = over
       :: ASKS_TOO_LONG(1) && state == deleted -> printf("SAY reconcile: request 1 has waited too long\n"); lease[1] = over
       :: else ->
         /* A quiet round: nothing is owed, and every request has its end. */
         MUST(I6, !IS_OWED && call == none);
         MUST(I5, state == ready || state == deleted);
         MUST(I10, lease[0] == over && lease[1] == over);
         break
       fi }
  od
}
