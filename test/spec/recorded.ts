/** What the checker said of a model that holds. */
export const VERIFIED = `
(Spin Version 6.5.2 -- 6 December 2019)
	+ Partial Order Reduction

Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+
	cycle checks       	- (disabled by -DSAFETY)
	invalid end states	+

State-vector 36 byte, depth reached 8041, errors: 0
   340192 states, stored
  2503801 states, matched
  2843993 transitions (= stored+matched)
  7837094 atomic steps
hash conflicts:     23634 (resolved)

pan: elapsed time 0.96 seconds
pan: rate 354366.67 states/second
`;

/** And of one that does not. */
export const BROKEN = `
pan:1: assertion violated 0 (at depth 12)
pan: wrote matching.pml.trail

(Spin Version 6.5.2 -- 6 December 2019)
Warning: Search not completed
	+ Breadth-First Search

State-vector 84 byte, depth reached 12, errors: 1
     4880 states, stored
	    4880 nominal states (stored-atomic)

pan: elapsed time 0.01 seconds
`;

/** And where its memory was not enough. */
export const CUT_SHORT = `
Depth=  151297 States=    1e+07 Transitions= 9.35e+07 Memory=   826.963	t=     90.6 R=   1e+05
pan: reached -DMEMLIM bound
	8.59e+08 bytes used
(Spin Version 6.5.2 -- 6 December 2019)
Warning: Search not completed
State-vector 68 byte, depth reached 151297, errors: 0
 1.0512e+07 states, stored

pan: elapsed time 98.2 seconds
`;

/** A replayed trail: the model's own words among the checker's. */
export const TRAIL = `
using statement merging
                          SAY operator: locks machine 0 to park it
                  SAY match 1: begins, and sees what is ready and what is asked for
                          SAY operator: commits the intent
                  SAY BREAKS I3
spin: matching.pml:95, Error: assertion violated
                  SAY match 1: goes on to the end of its step
spin: trail ends after 13 steps
#processes: 3
`;
