/*
 * Growing a scale set: its capacity is an absolute target, and lowering it makes the platform delete machines of its
 * own choice. Two growths follow each other in one lane; each reads capacity and ETag, sends "capacity = read + 1" with
 * If-Match, and may fall silent, so that what it sent arrives after the next growth. 412 means: read again.
 */
#include "parts/words.pml"

#define MOST 3
#define SENDS 3

byte capacity = 0;
byte etag = 0;
/* Requests on their way: the target, and the ETag it was computed from. */
byte target[SENDS] = 0;
byte if_match[SENDS] = 0;
bool on_its_way[SENDS] = false;
byte sends = 0;

/* Machines adopted from the set and leased; all there are may be. */
byte leased_machines = 0;

#ifdef WITHOUT_RULE_10
#define MATCHES(s) true
#else
#define MATCHES(s) (if_match[s] == etag)
#endif

inline arrive(s) {
  on_its_way[s] = false;
  if
  :: MATCHES(s) ->
    printf("SAY cloud: capacity %d becomes %d\n", capacity, target[s]);
    MUST(I1L, target[s] >= leased_machines);
    MUST(I8, target[s] <= MOST);
    capacity = target[s];
    etag++
  :: else -> printf("SAY cloud: 412, that was computed from another capacity\n")
  fi
}

active proctype Lane() {
  byte read = 0;
  byte tag = 0;
end:
  do
  :: capacity < MOST && sends < SENDS ->
    atomic { read = capacity; tag = etag; printf("SAY lane: reads capacity %d\n", read) };
    atomic {
      target[sends] = read + 1; if_match[sends] = tag; on_its_way[sends] = true;
      printf("SAY lane: asks for capacity %d\n", read + 1);
      sends++
    };
    /* Answered, or given up without an answer: then the next growth reads again. */
    if
    :: !on_its_way[sends - 1]
    :: printf("SAY lane: gets no answer, and reads again\n")
    fi
  od
}

active proctype Cloud() {
end:
  do
  :: atomic { on_its_way[0] -> arrive(0) }
  :: atomic { on_its_way[1] -> arrive(1) }
  :: atomic { on_its_way[2] -> arrive(2) }
  :: atomic { leased_machines < capacity -> leased_machines++; printf("SAY machine %d is adopted and leased\n", leased_machines) }
  od
}
