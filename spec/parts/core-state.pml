/* What PostgreSQL and the cloud hold. */

#define LEASES 3
#define BATCHES 2
#define NONE 7
#define MOST_LATE 2

/* The machine's row. */
mtype state = ready;
byte kind = NO_INTENT;
bool clean = true;
bool halted = false;
byte in_batch = NONE;

/* The lease that holds it, if any, and how many there have been. */
mtype lease = nobody;
byte leases = 0;

/* Somebody has probed its guest under the machine's newest token, and not yet said so. */
bool probed = false;

typedef Batch {
  mtype state = ended;
  mtype verb = no_step;
  /* Its member still waits, under the machine's newest token. */
  bool newest = false;
  bool in_doubt = false;
  mtype holder = nobody;
  /* How many leases there had been when the machine joined: a later one is somebody else's. */
  byte era = 0;
  /* Calls of senders that are asleep, dead or no longer wait: each may take effect at any moment, or never. */
  byte late = 0;
  mtype outcome = no_step;
};
Batch batch[BATCHES];

/* The cloud's side, which no row tells. `dirty` is what a lease left behind. */
bool exists = true;
bool running = true;
bool dirty = false;
/* EC2 recognises a repeated reset, a scale set does not. */
bool reset_is_safe = false;

/* Whoever saw or claimed the machine before is fenced off. */
#define raise_token() batch[0].newest = false; batch[1].newest = false; probed = false

#define REPLAY_SAFE(verb) (verb == delete || (verb == reset && reset_is_safe))
