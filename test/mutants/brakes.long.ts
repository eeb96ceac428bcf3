import { BRAKE_GUARDS } from './brakes.ts';
import { killEach } from './kill-each.ts';

killEach(BRAKE_GUARDS);
