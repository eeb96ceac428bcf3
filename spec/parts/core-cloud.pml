/* What a call does once it takes effect, which may be long after it was sent. I1 and its neighbours are held here. */

#ifdef WITHOUT_RULE_2
/* A replay under a new token is a new call to the cloud. */
#define RECOGNISED false
#else
#define RECOGNISED true
#endif

inline take_effect(b) {
  if
  :: REPLAY_SAFE(batch[b].verb) && batch[b].outcome != no_step && RECOGNISED -> skip
  :: else ->
    printf("SAY cloud: the %e of batch %d takes effect\n", batch[b].verb, b);
    /* I1: nothing is deleted under a lease. I1L: nothing asked for before a lease happens to it, nor to a ready machine. */
    MUST(I1, !(batch[b].verb == delete && lease != nobody));
    MUST(I1L, !(batch[b].verb != start && lease != nobody && leases > batch[b].era));
    MUST(I1L, !(batch[b].verb != start && state == ready));
    if
    :: batch[b].verb == stop -> running = false; batch[b].outcome = done
    :: batch[b].verb == start -> running = exists; batch[b].outcome = done
    :: batch[b].verb == reset -> running = exists; dirty = false; batch[b].outcome = done
    :: batch[b].verb == delete -> running = false; exists = false; batch[b].outcome = done
    :: batch[b].verb != delete -> batch[b].outcome = failed
    /* A reset that failed half way. */
    :: batch[b].verb == reset -> running = false; dirty = true; batch[b].outcome = failed
    fi
  fi
}
