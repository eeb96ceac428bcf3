/* src/workers/batch.ts and batch-acts.ts: the only place from which a cloud is asked to change anything. */

#ifdef WITHOUT_RULE_1
#define UNKNOWN_TO_CLOUD(b) false
#else
#define UNKNOWN_TO_CLOUD(b) (batch[b].in_doubt && !REPLAY_SAFE(batch[b].verb))
#endif

inline close_batch(b) {
  printf("SAY worker: closes batch %d and is about to send its %e\n", b, batch[b].verb);
  batch[b].state = closed;
  batch[b].holder = calling;
  batch[b].in_doubt = true
}

/* The claim has run out, which may be at any moment: somebody else sends the same call again. */
inline take_over(b) {
  printf("SAY another worker: takes batch %d over and sends its %e again\n", b, batch[b].verb);
  if
  :: UNKNOWN_TO_CLOUD(b) && in_batch == b -> make_retire()
  :: else -> skip
  fi;
  batch[b].holder = calling;
  batch[b].in_doubt = true
}

/* It dies, sleeps or gets no answer. What it sent, or will yet send, is on its way or lost. */
inline fall_silent(b) {
  printf("SAY worker: falls silent with the %e of batch %d\n", batch[b].verb, b);
  if
  :: batch[b].holder == calling && batch[b].late < MOST_LATE -> batch[b].late++
  :: skip
  fi;
  batch[b].holder = nobody
}

/* record-look.ts: the call has a handle, and is looked at until it has its outcome. */
inline record_sent(b) {
  batch[b].state = sent;
  batch[b].holder = nobody;
  batch[b].in_doubt = false
}

inline end_batch(b) {
  batch[b].state = ended;
  batch[b].holder = nobody;
  batch[b].newest = false;
  batch[b].in_doubt = false;
  /* What the cloud recognises does nothing any more. */
  if
  :: REPLAY_SAFE(batch[b].verb) && batch[b].outcome != no_step && RECOGNISED -> batch[b].late = 0
  :: else -> skip
  fi;
  forget(b)
}

/* Nothing will ask again for what an ended batch was: one state in place of many. */
inline forget(b) {
  if
  :: batch[b].state == ended && batch[b].late == 0 ->
    batch[b].verb = no_step; batch[b].era = 0; batch[b].outcome = no_step
  :: else -> skip
  fi
}

/* settle-members.ts: the member's outcome, under the token it joined with. */
#ifdef WITHOUT_RULE_3_TOKEN
#define WAITS_FOR(b) (state != deleted)
#else
#define WAITS_FOR(b) (in_batch == b && batch[b].newest)
#endif

inline finish_member(b) {
  if
  :: WAITS_FOR(b) ->
    printf("SAY the %e of batch %d is done\n", batch[b].verb, b);
    /* I9: a write under an older token changes nothing. */
    MUST(I9, batch[b].newest);
    in_batch = NONE;
    if
    :: batch[b].verb == stop -> state = stopped; halted = true
    :: batch[b].verb == start -> state = booting; halted = false
    :: batch[b].verb == reset -> state = booting; halted = false; clean = true
    :: batch[b].verb == delete -> state = deleted; kind = NO_INTENT
    fi
  :: else -> skip
  fi;
  end_batch(b)
}

inline fail_member(b) {
  if
  :: WAITS_FOR(b) ->
    printf("SAY the %e of batch %d failed\n", batch[b].verb, b);
    MUST(I9, batch[b].newest);
    in_batch = NONE;
    make_retire();
    if
    :: batch[b].verb == stop -> state = stopped
    :: else -> skip
    fi
  :: else -> skip
  fi;
  end_batch(b)
}

/* A look at a call, by its own handle. Under the mutant a reset is done where a listing shows the machine running. */
#ifdef WITHOUT_RULE_4
#define LOOKS_DONE(b) (batch[b].outcome == done || (batch[b].verb == reset && running))
#else
#define LOOKS_DONE(b) (batch[b].outcome == done)
#endif

inline batch_steps(b) {
  if
  :: batch[b].state == open -> close_batch(b)
  :: batch[b].state == closed && batch[b].holder == nobody -> take_over(b)
  :: batch[b].holder != nobody -> fall_silent(b)
  :: batch[b].holder == calling -> batch[b].holder = answered; take_effect(b)
  :: batch[b].holder == answered -> record_sent(b)
  /* Accepted: it takes effect later. */
  :: batch[b].holder == calling && batch[b].late < MOST_LATE ->
    printf("SAY cloud: accepts the %e of batch %d\n", batch[b].verb, b);
    batch[b].late++; record_sent(b)
  /* Refused without being executed, for good or (throttled) for now. */
  :: batch[b].holder == calling ->
    printf("SAY cloud: refuses the %e of batch %d for good\n", batch[b].verb, b);
    fail_member(b)
  :: batch[b].holder == calling ->
    printf("SAY cloud: throttles the %e of batch %d\n", batch[b].verb, b);
    batch[b].holder = nobody; batch[b].in_doubt = false
  :: batch[b].state == sent && LOOKS_DONE(b) -> finish_member(b)
  :: batch[b].state == sent && batch[b].outcome == failed -> fail_member(b)
  :: batch[b].late > 0 -> batch[b].late--; take_effect(b); forget(b)
  :: batch[b].late > 0 && (batch[b].state == ended || batch[b].late > 1) -> batch[b].late--; forget(b)
  fi
}
