/* The guarded statements on the machine's row. Each is one atomic step: it does all it says, or nothing. */

#ifdef WITHOUT_RULE_3_BATCH
#define FREE_OF_BATCH true
#else
#define FREE_OF_BATCH (in_batch == NONE)
#endif

/* The foreign key: an active or ending lease references a slot that exists in held states only. */
#ifdef WITHOUT_FOREIGN_KEY
#define KEY_ALLOWS(next) true
#else
#define KEY_ALLOWS(next) (lease == nobody || HELD(next))
#endif

/* The claim of a deletion (rule 6); those of other steps are in CLAIMED_STATE. */
#ifdef WITHOUT_RULE_6_STATE
#define MAY_DELETE (kind == RETIRE && state != deleted)
#else
#ifdef WITHOUT_RULE_6_INTENT
#define MAY_DELETE (!HELD(state) && state != deleted)
#else
#define MAY_DELETE OWES_DELETE(state, kind)
#endif
#endif

#ifdef WITHOUT_RULE_8
#define RESTS_CLEAN true
#define IS_CLEAN true
#else
#define RESTS_CLEAN clean
#define IS_CLEAN clean
#endif

#define IS_FREE(b) (batch[b].state == ended && batch[b].late == 0)

/* join.ts: the claim, and the place in a batch, in one statement. */
inline join(wanted, next) {
  if
  :: FREE_OF_BATCH && KEY_ALLOWS(next) && (IS_FREE(0) || IS_FREE(1)) ->
    if
    :: IS_FREE(0) -> b = 0
    :: else -> b = 1
    fi;
    batch[b].verb = wanted;
    printf("SAY worker: claims the machine, %e -> %e, in batch %d to %e\n", state, next, b, batch[b].verb);
    MUST(I13, kind != NO_INTENT);
    state = next;
    raise_token();
    in_batch = b;
    batch[b].state = open;
    batch[b].newest = true;
    batch[b].in_doubt = false;
    batch[b].era = leases;
    batch[b].outcome = no_step;
    b = NONE
  :: else -> skip
  fi
}

inline do_stop() {
  if
  :: OWES_STOP(state, kind) -> join(stop, stopping)
  /* machine-acts.ts, finish without a token: a stop that asks nobody for anything. */
  :: (state == leased || state == stopping) && OWES_STOP(state, kind) && kind != PARK && in_batch == NONE ->
    printf("SAY worker: stops without a call, machine %e -> stopped\n", state);
    state = stopped;
    raise_token()
  :: !OWES_STOP(state, kind) -> skip
  fi
}

/* release.ts: the lease's end, and with it the machine's. */
inline do_release() {
  if
  :: OWES_RELEASE(state, kind) ->
    printf("SAY worker: releases\n");
    lease = nobody;
    if
    :: kind == PARK ->
      state = parked;
      kind = NO_INTENT;
#ifdef WITHOUT_RULE_8_CLEAN
      clean = true
#endif
    :: kind == QUARANTINE -> state = quarantined
    :: else -> state = released
    fi
  :: else -> skip
  fi
}

inline do_provision() {
  if
  :: OWES_PROVISION(state, kind) && (state == released || state == resetting) -> join(reset, resetting)
  :: OWES_PROVISION(state, kind) && state == parked && !RESTS_CLEAN -> join(reset, resetting)
  :: OWES_PROVISION(state, kind) && ((state == parked && RESTS_CLEAN) || (state == booting && halted)) ->
    join(start, booting)
  :: else -> skip
  fi
}

inline do_delete() {
  if
  :: MAY_DELETE -> join(delete, deleting)
  :: else -> skip
  fi
}

/* machine-acts.ts, becomeReady: under the token that was seen before the probe. */
#ifdef WITHOUT_READY_TOKEN
#define SAW_NEWEST true
#else
#define SAW_NEWEST probed
#endif
#define MAY_BECOME_READY \
  (SAW_NEWEST && state == booting && in_batch == NONE && IS_CLEAN && !halted && (kind == PROVISION || kind == RECYCLE))

inline become_ready() {
  printf("SAY worker: its probe was answered, machine booting -> ready\n");
  state = ready;
  kind = NO_INTENT;
  probed = false
}

/* open-intent.ts, also what makes a member's intent a retire. */
inline open_intent(wish) {
  kind = wish;
  if
  :: lease == holding -> lease = ending
  :: else -> skip
  fi
}

inline make_retire() {
  if
  :: kind == PROVISION || kind == RECYCLE || kind == PARK -> kind = RETIRE
  :: else -> skip
  fi
}
