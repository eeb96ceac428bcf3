/*
 * Matching: two machines, three requests, two matches at once, and an operator who opens intents. PostgreSQL under READ
 * COMMITTED: a statement sees the snapshot of its beginning, skips rows that are locked (skip locked), and once it has
 * a lock tests the row itself again, but nothing of other tables.
 */
#include "parts/words.pml"

#define MACHINES 2
#define REQUESTS 3
#define NOBODY 7
#define OPERATOR 6

mtype state[MACHINES] = ready;
/* machine.intent_kind, and the same fact as a row of the table intent. */
byte kind[MACHINES] = NO_INTENT;
bool intent_row[MACHINES] = false;
/* Who has locked a machine's row: a match by its number, or the operator. */
byte locked[MACHINES] = NOBODY;

/* machine_id of a request once it is active; who has locked its row. */
byte held[REQUESTS] = NOBODY;
byte asked_by[REQUESTS] = NOBODY;

#ifdef WITHOUT_RULE_5
/* The intent is looked for in its own table, as the statement's snapshot shows it. */
#define IS_IDLE(m) (state[m] == ready && !snapshot_row[m])
#else
#define IS_IDLE(m) (state[m] == ready && kind[m] == NO_INTENT)
#endif

#ifdef WITHOUT_REQUEST_LOCK
#define MAY_ASK(r) (snapshot_pending[r])
#else
#define MAY_ASK(r) (held[r] == NOBODY && asked_by[r] == NOBODY)
#endif

#ifdef WITHOUT_MACHINE_LOCK
#define MAY_TAKE(m) (snapshot_idle[m])
#else
#define MAY_TAKE(m) (IS_IDLE(m) && locked[m] == NOBODY)
#endif

/* The unique index on what a lease holds. */
#ifdef WITHOUT_UNIQUE_HOLD
#define IS_TAKEN(m) false
#else
#define IS_TAKEN(m) (held[0] == m || held[1] == m || held[2] == m)
#endif

#define say_found printf("SAY match %d: begins, and sees what is ready and what is asked for\n", _pid)

/* The lease becomes active and the machine leased in the same commit. */
inline pair() {
  atomic {
    if
    :: IS_TAKEN(m) -> printf("SAY match %d: is refused by the index\n", _pid)
    :: else ->
      printf("SAY match %d: request %d gets machine %d\n", _pid, r, m);
      MUST(I3, !intent_row[m]);
      MUST(I2, held[r] == NOBODY);
      MUST(I2, held[0] != m && held[1] != m && held[2] != m);
      held[r] = m;
      state[m] = leased
    fi
  }
}

/* open-intent.ts: a row lock, the test, and both writes in one commit. */
inline open_intent(m) {
  atomic { locked[m] == NOBODY && state[m] == ready && kind[m] == NO_INTENT ->
    locked[m] = OPERATOR; printf("SAY operator: locks machine %d to park it\n", m) };
  atomic { printf("SAY operator: commits the intent\n"); kind[m] = PARK; intent_row[m] = true; locked[m] = NOBODY }
}

active [2] proctype Match() {
  byte r = NOBODY;
  byte m = NOBODY;
  bool snapshot_row[MACHINES] = false;
  bool snapshot_idle[MACHINES] = false;
  bool snapshot_pending[REQUESTS] = false;
end:
  do
  :: atomic {
       r == NOBODY ->
       say_found;
       snapshot_row[0] = intent_row[0]; snapshot_row[1] = intent_row[1];
       snapshot_idle[0] = IS_IDLE(0); snapshot_idle[1] = IS_IDLE(1);
       snapshot_pending[0] = held[0] == NOBODY; snapshot_pending[1] = held[1] == NOBODY; snapshot_pending[2] = held[2] == NOBODY
     };
     /* The request's row first, then the machine's, each skipped where somebody has it. */
     atomic {
       if
       :: MAY_ASK(0) -> r = 0
       :: MAY_ASK(1) -> r = 1
       :: MAY_ASK(2) -> r = 2
       :: else -> skip
       fi;
       if
       :: r != NOBODY -> asked_by[r] = _pid; printf("SAY match %d: locks request %d\n", _pid, r)
       :: else -> skip
       fi
     };
     if
     :: r == NOBODY
     :: r != NOBODY ->
       /* The row's lock is taken, or waited for, and then the row is tested as it is. */
       atomic {
         if
         :: MAY_TAKE(0) -> m = 0
         :: MAY_TAKE(1) -> m = 1
         :: else -> skip
         fi;
         if
         :: m != NOBODY -> locked[m] = _pid; printf("SAY match %d: locks machine %d\n", _pid, m)
         :: else -> skip
         fi
       };
       if
       :: m == NOBODY
       :: m != NOBODY -> pair()
       fi;
       atomic { asked_by[r] = NOBODY; if :: m != NOBODY -> locked[m] = NOBODY :: else -> skip fi; r = NOBODY; m = NOBODY }
     fi
  od
}

active proctype Operator() {
end:
  do
  :: open_intent(0)
  :: open_intent(1)
  od
}
