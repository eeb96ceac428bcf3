/* Everything from the fleet enters the page as text of a node, never as markup. */

/** Ids of one hour begin alike; their ends differ. */
const SHORT_ID = 8;

/** The figures somebody looks for first. */
export function renderTotals({ machines, leases, hours }) {
  const inMotion = ['requested', 'provisioning', 'booting', 'resetting'];
  const onTheWayOut = ['stopping', 'stopped', 'released', 'deleting'];
  const sum = (states) => states.reduce((total, state) => total + machines[state], 0);
  const figures = [
    ['ready', machines.ready],
    ['leased', machines.leased],
    ['coming', sum(inMotion)],
    ['going', sum(onTheWayOut)],
    ['parked', machines.parked],
    ['quarantined', machines.quarantined],
    ['requests waiting', leases.pending],
    ['leases completed', leases.completed],
    ['failed, expired or lost', leases.failed + leases.expired + leases.lost],
    [hoursLabel(hours), Math.round(hours.today)],
  ];
  return figures.map(([label, count]) => make('li', {}, [make('strong', {}, [String(count)]), label]));
}

/** A line for each thing that an operator has frozen. */
export function renderFreezes(freezes) {
  return freezes.map(({ verb, since, by }) => {
    const what = verb === 'launch' ? 'Launches' : 'Deletions';
    return make('li', {}, [
      make('strong', {}, [`${what} are frozen`]),
      ' for ',
      renderAge(since),
      ` by ${by}`,
    ]);
  });
}

function hoursLabel({ maxPerDay, reachedAt }) {
  const label = maxPerDay === null ? 'machine-hours today' : `of ${maxPerDay} machine-hours today`;
  return reachedAt === null ? label : `${label}: nothing is launched`;
}

/** A card for each pool: what it is, how full it is, what its machines do. */
export function renderPools(pools) {
  if (pools.length === 0) return [make('p', { className: 'empty panel' }, ['No pools yet.'])];
  return pools.map((pool) => {
    const counts = Object.entries(pool.machines).filter(([state, count]) => count > 0 && state !== 'deleted');
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const facts = [pool.platform, pool.arch, ...pool.tags].join(' · ');
    return make('article', { className: 'panel' }, [
      make('h3', {}, [pool.name, make('small', {}, [pool.draining ? `${facts} · draining` : facts])]),
      make('small', {}, [
        `${total} of at most ${pool.max}, ${pool.minIdle} kept ready, ${pool.leases.pending} waiting, `,
        `${Math.round(pool.machineHours.today)} ${hoursLabel(pool.machineHours)}`,
      ]),
      ...pool.haltedSweeps.map(({ placement, why }) =>
        make('p', {}, [`The sweep of ${placement} has halted: it ${why}.`]),
      ),
      ...pool.leftOvers.map(({ kind, id, failure }) =>
        make('p', {}, [
          `${kind} ${id} is left over and being deleted${failure === null ? '.' : `: ${failure}`}`,
        ]),
      ),
      renderBar(counts, Math.max(pool.max, total)),
      make('ul', { className: 'legend' }, counts.map(renderCount)),
    ]);
  });
}

function renderBar(counts, whole) {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const parts = counts.map(([state, count]) => {
    const part = make('span', { title: `${count} ${state}` });
    part.dataset.state = state;
    part.style.flexGrow = String(count);
    return part;
  });
  const room = make('i');
  room.style.flexGrow = String(whole - total);
  return make('div', { className: 'bar', ariaHidden: 'true' }, [...parts, room]);
}

function renderCount([state, count]) {
  return make('li', {}, [renderState(state, `${count} ${state}`)]);
}

/** Rows of the table of machines. */
export function renderMachines(machines) {
  if (machines.length === 0) return [renderEmptyRow('No machines.')];
  return machines.map((machine) =>
    make('tr', {}, [
      cell('Machine', [machineButton(machine.id)]),
      cell('Pool', [machine.pool]),
      cell('State', [renderState(machine.state)]),
      cell('For', [renderAge(machine.stateSince)]),
      cell('Intent', [machine.intent?.kind ?? '']),
      cell('Owes', [machine.owed ?? '']),
      cell('Address', codeOf(machine.address)),
      cell('Uses', [String(machine.uses)]),
      cell('Trouble', [troubleOf(machine)], 'wide'),
    ]),
  );
}

/** Rows of the table of machines that cannot be deleted. */
export function renderSetAside(machines) {
  return machines.map(({ id, pool, instance, setAside }) =>
    make('tr', {}, [
      cell('Machine', [machineButton(id)]),
      cell('Pool', [pool]),
      cell('Instance', codeOf(instance)),
      cell('Since', [renderAge(setAside.since)]),
      cell('Refused', [timesOf(setAside.refusals)]),
      cell('Next try', nextTryOf(setAside)),
      cell('Why', [setAside.reason], 'wide'),
    ]),
  );
}

function timesOf(count) {
  return count === 1 ? 'once' : `${count} times`;
}

function nextTryOf({ nextTryAt }) {
  if (nextTryAt === null) return ['now'];
  const wait = renderAge(nextTryAt);
  wait.dataset.still = 'to-come';
  return [wait];
}

function troubleOf({ failures, failure, setAside }) {
  if (setAside !== null) return `its deletion was refused ${timesOf(setAside.refusals)}: ${setAside.reason}`;
  if (failures === 0 && failure === null) return '';
  return `${failures} failed ${failures === 1 ? 'attempt' : 'attempts'}: ${failure ?? 'unknown'}`;
}

/** Rows of the table of leases. */
export function renderLeases(leases) {
  if (leases.length === 0) return [renderEmptyRow('No leases.')];
  return leases.map((lease) =>
    make('tr', {}, [
      cell('Lease', [renderId(lease.id)]),
      cell('Owner', [lease.owner]),
      cell('State', [renderState(lease.state)]),
      cell('Requested', [renderAge(lease.requestedAt), ' ago']),
      cell('Pool', [lease.pool ?? lease.pools.join(', ')]),
      cell('Machine', [lease.machine === null ? '' : machineButton(lease.machine)]),
      cell('Address', codeOf(lease.address)),
      cell('Why', [lease.reason ?? ''], 'wide'),
      cell('Retry', retryOf(lease)),
    ]),
  );
}

/** A lost lease names the one that takes its place, and that one names it. */
function retryOf({ retryOf: lost, retriedBy, retries, maxRetries }) {
  const parts = [];
  if (lost !== null) parts.push(`${retries} of ${maxRetries}, of `, renderId(lost));
  if (lost !== null && retriedBy !== null) parts.push('; ');
  if (retriedBy !== null) parts.push('goes on as ', renderId(retriedBy));
  return parts;
}

/** A machine's facts and timeline; an `error` instead of it is told in their place. */
export function renderDetail({ error, timeline = [], ...machine }) {
  if (error !== undefined) return { title: error.message, facts: [], timeline: [] };
  const facts = Object.entries(machine).flatMap(([name, value]) => [
    make('dt', {}, [name]),
    make('dd', {}, [textOf(value)]),
  ]);
  const entries = timeline.map((entry) =>
    make('li', {}, [
      renderState(entry.to),
      ` ${new Date(entry.at).toLocaleString()} `,
      make('small', {}, [`by ${entry.by}${entry.reason === null ? '' : `: ${entry.reason}`}`]),
    ]),
  );
  return { title: `Machine ${machine.id}`, facts, timeline: entries };
}

function textOf(value) {
  if (value === null) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Brings every age under `root`, and every wait, up to date in place. */
export function showAges(root, nowMs) {
  for (const element of root.querySelectorAll('time')) {
    const ageMs = nowMs - Date.parse(element.dateTime);
    const text = element.dataset.still === 'to-come' ? toWait(-ageMs) : toAge(ageMs);
    if (element.textContent !== text) element.textContent = text;
  }
}

function toWait(ms) {
  return ms > 0 ? `in ${toAge(ms)}` : 'due';
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
];

function toAge(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const unit = UNITS.find(([, size]) => seconds >= size);
  return unit === undefined ? `${seconds} s` : `${Math.floor(seconds / unit[1])} ${unit[0]}`;
}

function renderAge(instant) {
  return make('time', { dateTime: instant, title: new Date(instant).toLocaleString() });
}

function renderState(state, text = state) {
  const element = make('span', { className: 'state' }, [text]);
  element.dataset.state = state;
  return element;
}

function renderId(id) {
  return make('code', { title: id }, [`…${id.slice(-SHORT_ID)}`]);
}

function machineButton(id) {
  const button = make('button', { type: 'button', className: 'plain', title: id }, [renderId(id)]);
  button.dataset.machine = id;
  return button;
}

function codeOf(text) {
  return text === null ? [] : [make('code', {}, [text])];
}

function renderEmptyRow(text) {
  const td = make('td', { className: 'empty', colSpan: 9 }, [text]);
  return make('tr', {}, [td]);
}

function cell(label, children, className = '') {
  const td = make('td', { className }, children);
  td.dataset.label = label;
  return td;
}

function make(name, properties = {}, children = []) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}
