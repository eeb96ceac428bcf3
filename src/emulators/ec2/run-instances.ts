import { defineAction, type Accepted, type Ec2Account } from './action.ts';
import { insufficientAddresses } from './addresses.ts';
import { invalidValue } from './ec2-error.ts';
import type { Disk, Instance, Launch, NetworkCard } from './estate.ts';
import { reservationFields } from './instance-answer.ts';
import { launchFields, type LaunchParameters } from './launch-parameters.ts';
import { planLaunch, type LaunchPlan } from './launch-plan.ts';
import { planPlace, type CardPlan, type LaunchPlace } from './launch-place.ts';
import { newId } from './new-id.ts';

const MAX_COUNT = 1000;

/**
 * RunInstances: as many instances as there is room for, at least MinCount or none at all. A client token that is
 * sent again launches nothing and answers what it launched before.
 */
export const runInstances = defineAction({
  mutating: true,
  canFailLater: true,
  fields: launchFields,
  handle(account, call): Accepted {
    const { parameters, requestId, failureCode } = call;
    const { catalogue } = account.estate;
    checkCounts(parameters);
    const place = planPlace(catalogue, parameters);
    const use = {
      scope: `RunInstances ${place.isZonal ? place.zone : ''}`,
      token: parameters.ClientToken,
      fingerprint: call.fingerprint,
    };
    const launchedBefore = account.launchTokens.find(use);
    if (launchedBefore !== undefined) return { answer: reservationFields(catalogue, launchedBefore) };

    const plan = planLaunch(catalogue, parameters, place);
    const count = grantCount(account, { plan, place, parameters });
    account.limits.takeResources('RunInstances', count);
    const launch = createLaunch({ plan, place, parameters });
    const instances = Array.from({ length: count }, (_each, launchIndex) =>
      createInstance(account, { plan, place, launch, launchIndex, parameters }),
    );
    account.launchTokens.remember(use, instances);
    return {
      answer: reservationFields(catalogue, instances),
      apply() {
        for (const instance of instances) {
          hideForNow(account, instance);
          account.lifecycle.launch(instance, { requestId, failureCode });
        }
      },
    };
  },
});

interface Planned {
  plan: LaunchPlan;
  place: LaunchPlace;
  parameters: LaunchParameters;
}

function checkCounts({ MinCount: least, MaxCount: most }: LaunchParameters): void {
  if (least < 1) throw invalidValue('minCount', String(least), 'Expecting a value of at least 1.');
  if (most < least) throw invalidValue('maxCount', String(most), 'Expecting a value of at least minCount.');
  if (most > MAX_COUNT)
    throw invalidValue('maxCount', String(most), `Expecting a value of at most ${MAX_COUNT}.`);
}

function grantCount({ capacity, addresses }: Ec2Account, { plan, place, parameters }: Planned): number {
  const kind = {
    type: plan.type.name,
    vcpus: plan.type.vcpus,
    zone: place.zone,
    isSpot: plan.spot !== undefined,
  };
  const least = parameters.MinCount;
  const free = Math.min(...place.cards.map((card) => addresses.available(card.subnet.id)));
  const addressed = Math.floor(free / place.cards.length);
  if (addressed < least) throw insufficientAddresses(launchSubnet(place));
  return capacity.grant(kind, { least, wanted: Math.min(parameters.MaxCount, addressed) });
}

function launchSubnet({ cards }: LaunchPlace): string {
  return cards[0]?.subnet.id ?? '';
}

function createLaunch({ plan, place, parameters }: Planned): Launch {
  return {
    reservationId: newId('r'),
    clientToken: parameters.ClientToken,
    image: plan.image,
    type: plan.type,
    zone: place.zone,
    subnet: launchSubnet(place),
    groups: place.cards[0]?.groups ?? [],
    keyName: plan.keyName,
    instanceProfile: plan.instanceProfile,
    shutdownBehaviour: parameters.InstanceInitiatedShutdownBehavior ?? 'stop',
    metadata: plan.metadata,
    monitoring: parameters.Monitoring?.Enabled ?? false,
    ebsOptimized: parameters.EbsOptimized ?? false,
  };
}

function createInstance(
  account: Ec2Account,
  { plan, place, launch, launchIndex, parameters }: Planned & { launch: Launch; launchIndex: number },
): Instance {
  const id = newId('i');
  const cards = place.cards.map((card) => createCard(account, { card, plan, instance: id }));
  const { interruption } = plan.spot ?? {};
  return {
    id,
    sequence: account.estate.nextSequence(),
    launch,
    launchIndex,
    spot: interruption === undefined ? undefined : { requestId: newId('sir'), interruption, isMarked: false },
    address: cards[0]?.privateAddress ?? '',
    rootDevice: plan.image.rootDevice,
    tags: new Map(plan.tags.instance),
    launchedAtMs: account.clock.realMs(),
    disks: createDisks(account, { plan, place, instance: id }),
    cards,
    state: 'pending',
    stateReason: undefined,
    transitionReason: '',
    protectedFromDeletion: parameters.DisableApiTermination ?? false,
    booted: false,
    boots: 0,
    visibleFromCloudMs: 0,
    hiddenDescribes: 0,
  };
}

function createDisks(
  { estate, clock }: Ec2Account,
  { plan, place, instance }: { plan: LaunchPlan; place: LaunchPlace; instance: string },
): Disk[] {
  return plan.disks.map((disk) => ({
    id: newId('vol'),
    sequence: estate.nextSequence(),
    zone: place.zone,
    sizeGib: disk.sizeGib,
    type: disk.type,
    snapshotId: disk.snapshotId,
    createdAtMs: clock.realMs(),
    tags: new Map(plan.tags.volume),
    attachment: {
      instance,
      device: disk.device,
      attachedAtMs: clock.realMs(),
      deleteWithInstance: disk.deleteWithInstance,
    },
  }));
}

function createCard(
  { estate, clock, addresses }: Ec2Account,
  { card, plan, instance }: { card: CardPlan; plan: LaunchPlan; instance: string },
): NetworkCard {
  const sequence = estate.nextSequence();
  return {
    id: newId('eni'),
    sequence,
    subnet: card.subnet.id,
    zone: card.subnet.zone,
    privateAddress: addresses.take(card.subnet.id),
    mac: `0a:${sequence.toString(16).padStart(10, '0').match(/../g)?.join(':')}`,
    description: card.description,
    groups: card.groups,
    wantsPublicAddress: card.wantsPublicAddress,
    publicAddress: card.wantsPublicAddress ? addresses.takePublic() : undefined,
    tags: new Map(plan.tags.networkCard),
    attachment: {
      id: newId('eni-attach'),
      instance,
      deviceIndex: card.deviceIndex,
      attachedAtMs: clock.realMs(),
      deleteWithInstance: card.deleteWithInstance,
    },
  };
}

/** EC2 is eventually consistent: the id that was just answered may not exist yet for whoever asks. */
function hideForNow({ clock, randomness, durations, hiddenDescribes }: Ec2Account, instance: Instance): void {
  instance.visibleFromCloudMs = clock.cloudMs() + randomness.next() * durations.invisibleMs;
  instance.hiddenDescribes = hiddenDescribes;
}
