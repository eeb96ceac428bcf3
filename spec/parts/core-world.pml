/* Everybody else: users, operators, deadlines, the cloud's own time. */
#define OPENS(wish) \
  (MAY_OPEN(kind, wish) && state != deleted && (wish == RETIRE \
    || (wish == PROVISION && state == parked) \
    || (wish == RECYCLE && state == leased) \
    || ((wish == PARK || wish == QUARANTINE) && (state == ready || HELD(state)))))

#ifdef WITHOUT_RULE_7_ESCALATION
#define MAY_OPEN(old, wish) (old != wish)
#else
#define MAY_OPEN(old, wish) MAY_REPLACE(old, wish)
#endif

#define MAY_MATCH (state == ready && kind == NO_INTENT)

/* match.ts */
inline match() {
  printf("SAY match: lease %d begins\n", leases + 1);
  MUST(I3, kind == NO_INTENT);
  MUST(I2, lease == nobody);
  MUST(I4, !dirty && (running || !exists));
  leases++;
  lease = holding;
  state = leased;
#ifndef WITHOUT_RULE_7_CLEAN
  clean = false;
#endif
  dirty = true;
  raise_token()
}

#ifdef WITHOUT_RULE_3_RETIRE
#define HARDEN_GIVEN_UP skip
#else
#define HARDEN_GIVEN_UP make_retire()
#endif

/* recover.ts: a deadline, which may come at any moment. */
inline recover() {
  printf("SAY reconcile: recovers the machine in %e\n", state);
  if
  :: state == booting || state == resetting -> HARDEN_GIVEN_UP
  :: state == stopping -> HARDEN_GIVEN_UP; state = stopped
  :: state == ready || state == parked -> kind = RETIRE
  :: state == quarantined -> kind = RETIRE
  :: state == leased && kind == NO_INTENT -> open_intent(RETIRE)
  :: else -> skip
  fi;
  raise_token();
  in_batch = NONE
}
