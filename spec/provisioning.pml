/*
 * Provisioning: two wishes, one launch for both, a cloud that makes as many instances as were asked for, fewer or one
 * more, at once, late or never; adoption, giving up, surplus, and the sweep. When nothing more can happen, every
 * instance has an owner and every machine an end.
 */
#include "parts/words.pml"

#define WISHES 2
#define INSTANCES 5
#define NONE 7
/* Whoever deletes a condemned instance that no wish owns: a machine of its own, born for that. */
#define UNDERTAKER 6

mtype = { none, pending, given_up };
mtype = { absent, there, gone };

/* Machines. */
mtype state[WISHES] = requested;
byte kind[WISHES] = PROVISION;
byte instance[WISHES] = NONE;
mtype member[WISHES] = none;

/* The launch. `due` are its calls on their way, `asked` the size it was closed with. */
mtype launch_state = open;
byte asked = 0;
byte due = 0;
bool executed = false;
bool settled = false;
byte sends = 0;

/* The cloud's side, and its row: known, owned, condemned. */
mtype thing[INSTANCES] = absent;
bool known[INSTANCES] = false;
byte owner[INSTANCES] = NONE;
bool condemned[INSTANCES] = false;
byte made = 0;

#ifdef WITHOUT_RULE_2
#define RECOGNISED false
#else
#define RECOGNISED executed
#endif

inline make(count) {
  n = 0;
  do
  :: n < count && made < INSTANCES -> thing[made] = there; made++; n++
  :: else -> break
  od;
  n = 0;
  printf("SAY cloud: has made %d instances for %d wishes\n", made, asked)
}

/* The call takes effect: as many as asked for, one fewer, or one more. */
inline execute() {
  if
  :: RECOGNISED -> skip
  :: else ->
    if
    :: make(asked)
    :: asked > 1 -> make(asked - 1)
    :: make(asked + 1)
    fi;
    /* I8: never beyond what was asked for, but for the one that is the cloud's own mistake. */
    MUST(I8, made <= asked + 1);
    executed = true
  fi
}

#ifdef WITHOUT_RULE_12_ADOPTION
/* A look acts on what it has read before. */
bool known_owner[INSTANCES] = false;
#define ADOPTABLE(i) (!known_owner[i])
#else
#define ADOPTABLE(i) (owner[i] == NONE && !condemned[i])
#endif

/* record-look.ts, adopt: an instance that nobody owns goes to a member that waits, or to one given up, to be deleted. */
inline adopt(m, i) {
  if
  :: thing[i] == there && ADOPTABLE(i) && instance[m] == NONE && member[m] == pending && state[m] == provisioning ->
    printf("SAY look: machine %d adopts instance %d\n", m, i);
    MUST(I2, owner[i] == NONE);
    MUST(I1, !condemned[i]);
    known[i] = true; owner[i] = m; instance[m] = i
  :: thing[i] == there && ADOPTABLE(i) && instance[m] == NONE && member[m] == given_up && (state[m] == provisioning || state[m] == deleting) ->
    printf("SAY look: instance %d goes to machine %d, which was given up\n", i, m);
    known[i] = true; owner[i] = m; instance[m] = i; condemned[i] = true
  :: else -> skip
  fi
}

inline read_owners() {
#ifdef WITHOUT_RULE_12_ADOPTION
  i = 0;
  do
  :: i < INSTANCES -> known_owner[i] = owner[i] != NONE || condemned[i]; i++
  :: else -> break
  od;
  i = 0
#else
  skip
#endif
}

inline condemn(i) {
  printf("SAY instance %d is condemned\n", i);
  known[i] = true; condemned[i] = true; owner[i] = UNDERTAKER
}

inline condemn_surplus() {
#ifndef WITHOUT_RULE_12_SURPLUS
  i = 0;
  do
  :: i < INSTANCES ->
    if
    :: thing[i] == there && owner[i] == NONE && !condemned[i] -> condemn(i)
    :: else -> skip
    fi;
    i++
  :: else -> break
  od;
  i = 0
#else
  skip
#endif
}

inline fail_pending(m) {
  if
  :: member[m] == pending && instance[m] == NONE -> member[m] = none; kind[m] = RETIRE
  :: else -> skip
  fi
}

#define IS_SURPLUS(i) (thing[i] == there && owner[i] == NONE && !condemned[i])

/* A look that is settled gives what is there, fails who got nothing, condemns the rest (I8) and ends the batch. */
inline end_launch() {
  fail_pending(0); fail_pending(1);
  condemn_surplus();
  MUST(I8, !IS_SURPLUS(0) && !IS_SURPLUS(1) && !IS_SURPLUS(2) && !IS_SURPLUS(3) && !IS_SURPLUS(4));
  launch_state = ended;
  printf("SAY the launch has ended\n")
}

#ifdef WITHOUT_RULE_11
#define MAY_CANCEL(m) (state[m] == requested)
#define START(m)
#else
#define MAY_CANCEL(m) (state[m] == requested && (member[m] == none || launch_state == open))
#define START(m) if :: member[m] == pending -> state[m] = provisioning :: else -> skip fi
#endif

inline close_launch() {
  printf("SAY batch: closes with its members\n");
  asked = 0;
  if :: member[0] == pending -> asked++ :: else -> skip fi;
  if :: member[1] == pending -> asked++ :: else -> skip fi;
  START(0);
  START(1);
  launch_state = closed
}

active proctype Launch() {
  byte n = 0;
  byte i = 0;
end:
  do
  :: atomic { launch_state == open && (member[0] == pending || member[1] == pending) -> close_launch() }
#ifdef WITHOUT_RULE_11
  /* Closing is one write and the members' states another. */
  :: atomic { launch_state == closed && member[0] == pending && state[0] != provisioning && state[0] != booting ->
       MUST(I7, state[0] == requested); state[0] = provisioning }
  :: atomic { launch_state == closed && member[1] == pending && state[1] != provisioning && state[1] != booting ->
       MUST(I7, state[1] == requested); state[1] = provisioning }
#endif
  /* It is sent, and sent again under the same id by whoever finds it without an answer. */
  :: atomic { launch_state == closed && sends < 2 -> sends++; due++; printf("SAY batch: is sent\n") }
  :: atomic { due > 0 -> due--; execute() }
  :: atomic { due > 0 && !executed -> due--; printf("SAY a call is lost\n") }
  :: atomic { launch_state == closed && sends > 0 && executed -> launch_state = sent; read_owners() }
  /* The second call is refused for good, whatever became of the first. */
  :: atomic { launch_state == closed && sends == 2 && !executed -> printf("SAY cloud: refuses the launch\n"); end_launch() }
  :: atomic { launch_state == sent && !settled ->
       adopt(0, 0); adopt(0, 1); adopt(0, 2); adopt(1, 0); adopt(1, 1); adopt(1, 2); settled = true }
  :: atomic { launch_state == sent && settled -> end_launch() }
  od
}

/* recover.ts, the deletion, and what makes an adopted machine one that is used. */
proctype Machine(byte m) {
end:
  do
  :: atomic { state[m] == requested && member[m] == none && launch_state == open ->
       member[m] = pending; printf("SAY machine %d: joins the launch\n", m) }
  :: atomic { MAY_CANCEL(m) -> printf("SAY machine %d: its wish is taken back\n", m);
       state[m] = deleted; kind[m] = NO_INTENT;
       if :: launch_state == open -> member[m] = none :: else -> skip fi }
  :: atomic { state[m] == provisioning && member[m] == pending && instance[m] != NONE && thing[instance[m]] == there ->
       printf("SAY machine %d: runs, and is used\n", m);
       state[m] = booting; member[m] = none }
  :: atomic { state[m] == provisioning && member[m] == pending ->
       printf("SAY machine %d: is given up at its deadline\n", m);
       kind[m] = RETIRE; member[m] = given_up }
  :: atomic { state[m] == booting && kind[m] != RETIRE -> printf("SAY machine %d: is to be deleted\n", m); kind[m] = RETIRE }
  :: atomic { kind[m] == RETIRE && (state[m] == provisioning || state[m] == booting) ->
       state[m] = deleting;
       if :: instance[m] != NONE -> condemned[instance[m]] = true :: else -> skip fi }
  :: atomic { state[m] == deleting && instance[m] == NONE && !(member[m] == given_up && launch_state != ended) ->
       printf("SAY machine %d: is deleted, nothing was ever made for it\n", m); state[m] = deleted }
  :: atomic { state[m] == deleting && instance[m] != NONE ->
       printf("SAY machine %d: its instance %d is deleted\n", m, instance[m]);
       MUST(I1, condemned[instance[m]]);
       if :: thing[instance[m]] == there -> thing[instance[m]] = gone :: else -> skip fi;
       state[m] = deleted }
  od
}

#define IS_STRAY(i) (thing[i] == there && owner[i] == NONE && !condemned[i] && launch_state == ended)

#define sweep(i) \
  atomic { IS_STRAY(i) -> printf("SAY sweep: finds instance %d, owned by nobody\n", i); condemn(i) }

/* Sweeps condemn; only what is condemned is deleted. */
active proctype Sweep() {
  byte seen = NONE;
end:
  do
#ifdef WITHOUT_RULE_12_SWEEP
  :: atomic { seen == NONE && thing[0] == there && owner[0] == NONE && !condemned[0] -> seen = 0; printf("SAY sweep: reads that nobody owns instance 0\n") }
  :: atomic { seen == 0 -> printf("SAY sweep: deletes instance 0\n");
       MUST(I1L, owner[0] == NONE || owner[0] == UNDERTAKER || condemned[0]); thing[0] = gone; seen = NONE }
#endif
#ifndef WITHOUT_SWEEP
  :: sweep(0)
  :: sweep(1)
  :: sweep(2)
  :: sweep(3)
  :: sweep(4)
#endif
  :: atomic { condemned[0] && owner[0] == UNDERTAKER && thing[0] == there -> thing[0] = gone }
  :: atomic { condemned[1] && owner[1] == UNDERTAKER && thing[1] == there -> thing[1] = gone }
  :: atomic { condemned[2] && owner[2] == UNDERTAKER && thing[2] == there -> thing[2] = gone }
  :: atomic { condemned[3] && owner[3] == UNDERTAKER && thing[3] == there -> thing[3] = gone }
  :: atomic { condemned[4] && owner[4] == UNDERTAKER && thing[4] == there -> thing[4] = gone }
  od
}

#define IS_LEAKED(i) (thing[i] == there && !(owner[i] < WISHES && state[owner[i]] != deleted))

/* Quiet: nothing more can happen. */
init {
  atomic { run Machine(0); run Machine(1) };
end:
  timeout ->
  MUST(I7, !IS_LEAKED(0) && !IS_LEAKED(1) && !IS_LEAKED(2) && !IS_LEAKED(3) && !IS_LEAKED(4));
  MUST(I7, state[0] == deleted && state[1] == deleted)
}
