import { FleetError } from '../fleet/errors.ts';
import type { Store } from '../fleet/store.ts';
import type { Process } from './scheduler.ts';
import { tellAnswer, tellGiven } from './telling.ts';
import type { RunWorld } from './world.ts';

type Method<A, R> = (given: A) => Promise<R>;
type Called = <A, R>(name: string, act: Method<A, R>) => Method<A, R>;

/** The store as one process reaches it over its connection: each act is executed when the scheduler chooses it. */
export function createCalledStore(world: RunWorld, process: Process): Store {
  const { store } = world;
  const called: Called = (name, act) => (given) =>
    world.scheduler.call(process, {
      label: `store.${name} ${tellGiven(given)}`,
      async run() {
        const answer = await executed(world, act(given));
        if (!READS.has(name) && !isNothing(answer)) await world.refresh();
        for (const hear of world.onWrite) hear();
        return answer;
      },
      brief: tellAnswer,
    });
  const pools = called('pools', () => store.pools());
  const freezes = called('freezes', () => store.freezes());
  const leftOvers = called('leftOvers', () => store.leftOvers());
  const halted = called('haltedSweeps', () => store.haltedSweeps());
  return {
    ...machineActs(store, called),
    ...batchActs(store, called),
    ...leaseActs(store, called),
    ...reconcileActs(store, called),
    applyPools: called('applyPools', store.applyPools),
    pools: () => pools(undefined),
    haltedSweeps: () => halted(undefined),
    leftOvers: () => leftOvers(undefined),
    freezes: () => freezes(undefined),
    setFreeze: called('setFreeze', store.setFreeze),
    limitMachineHours: called('limitMachineHours', store.limitMachineHours),
    machineHours: called('machineHours', store.machineHours),
    noteMachineHours: called('noteMachineHours', store.noteMachineHours),
    pool: called('pool', store.pool),
    viewPool: called('viewPool', store.viewPool),
    provision: called('provision', store.provision),
  };
}

/** Acts that change nothing. */
const READS: ReadonlySet<string> = new Set([
  ...['pools', 'pool', 'viewPool', 'look', 'lookBatch', 'readLease', 'overdueMachines', 'unattended'],
  ...['freezes', 'haltedSweeps', 'leftOvers', 'machineHours'],
]);

/** Whatever answers with what it has changed, and has changed nothing. */
function isNothing(answer: unknown): boolean {
  return Array.isArray(answer) && answer.length === 0;
}

/** A cloud may be away in a run, and its caller bears that; the store never is. */
async function executed<R>(world: RunWorld, act: Promise<R>): Promise<R> {
  try {
    return await act;
  } catch (error) {
    if (error instanceof FleetError && error.code === 'unavailable') world.errors.push(error.message);
    throw error;
  }
}

function machineActs(store: Store, called: Called) {
  return {
    look: called('look', store.look),
    claim: called('claim', store.claim),
    join: called('join', store.join),
    finish: called('finish', store.finish),
    release: called('release', store.release),
    becomeReady: called('becomeReady', store.becomeReady),
    openIntent: called('openIntent', store.openIntent),
  };
}

function batchActs(store: Store, called: Called) {
  return {
    lookBatch: called('lookBatch', store.lookBatch),
    closeBatch: called('closeBatch', store.closeBatch),
    claimBatch: called('claimBatch', store.claimBatch),
    claimLane: called('claimLane', store.claimLane),
    recordLook: called('recordLook', store.recordLook),
    delayBatch: called('delayBatch', store.delayBatch),
    renewBatch: called('renewBatch', store.renewBatch),
    failBatch: called('failBatch', store.failBatch),
  };
}

function leaseActs(store: Store, called: Called) {
  return {
    requestLease: called('requestLease', store.requestLease),
    readLease: called('readLease', store.readLease),
    heartbeat: called('heartbeat', store.heartbeat),
    endLease: called('endLease', store.endLease),
    match: called('match', store.match),
    expireLeases: called('expireLeases', store.expireLeases),
  };
}

function reconcileActs(store: Store, called: Called) {
  return {
    overdueMachines: called('overdueMachines', store.overdueMachines),
    recover: called('recover', store.recover),
    unattended: called('unattended', store.unattended),
    ringAgain: called('ringAgain', store.ringAgain),
    sweep: called('sweep', store.sweep),
    leftOverRefused: called('leftOverRefused', store.leftOverRefused),
    confirmSweep: called('confirmSweep', store.confirmSweep),
    purge: called('purge', store.purge),
  };
}
