import {
  renderDetail,
  renderFreezes,
  renderLeases,
  renderMachines,
  renderPools,
  renderSetAside,
  renderTotals,
  showAges,
} from './render.js';

const EVERY_MS = 1000;
const TIMEOUT_MS = 5000;
const SIGNED_OUT = 401;

start();

/** Looks at the fleet each second while somebody looks at the page. */
function start() {
  const page = { drawn: new Map(), aheadMs: 0, lastSeen: undefined };
  const byId = (id) => document.getElementById(id);
  for (const id of ['set-aside', 'machines', 'leases']) {
    byId(id).addEventListener('click', (event) => void openDetail(event, byId));
  }
  void look(page, byId);
}

/** One look, and the next one after it: never two at once. */
async function look(page, byId) {
  if (!document.hidden) {
    try {
      const status = await ask('/v1/status');
      draw(page, byId, status);
      page.lastSeen = new Date();
      tell(byId('live'), 'live', 'live');
    } catch (error) {
      const since = page.lastSeen === undefined ? '' : `; shown as of ${page.lastSeen.toLocaleTimeString()}`;
      tell(byId('live'), 'away', `${error.message}${since}`);
    }
    showAges(document, Date.now() + page.aheadMs);
  }
  setTimeout(() => void look(page, byId), EVERY_MS);
}

async function ask(path) {
  const response = await fetch(path, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => {
    throw new Error('the fleet does not answer');
  });
  if (response.status === SIGNED_OUT) location.assign('/login');
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `the fleet answered ${response.status}`);
  return body;
}

/** Redraws what changed only, so that selections and the focus survive the second. */
function draw(page, byId, status) {
  page.aheadMs = Date.parse(status.now) - Date.now();
  const once = (id, data, render) => {
    const text = JSON.stringify(data);
    if (page.drawn.get(id) === text) return;
    page.drawn.set(id, text);
    byId(id).replaceChildren(...render(data));
  };
  byId('version').textContent = status.version;
  byId('machines-note').textContent = noteOf(status);
  once(
    'totals',
    { machines: status.machineCounts, leases: status.leaseCounts, hours: status.machineHours },
    renderTotals,
  );
  once('freezes', status.freezes, renderFreezes);
  byId('set-aside-section').hidden = status.setAside.length === 0;
  once('set-aside', status.setAside, renderSetAside);
  once('pools', status.pools, renderPools);
  once('machines', status.machines, renderMachines);
  once('leases', status.leases, renderLeases);
}

function noteOf({ machines, machineCounts }) {
  const all = Object.values(machineCounts).reduce((sum, count) => sum + count, 0);
  return machines.length < all ? `the first ${machines.length} of ${all}` : '';
}

function tell(element, state, text) {
  element.dataset.state = state;
  if (element.textContent !== text) element.textContent = text;
}

async function openDetail(event, byId) {
  const button = event.target.closest('button[data-machine]');
  if (button === null) return;
  const { title, facts, timeline } = renderDetail(
    await ask(`/v1/machines/${encodeURIComponent(button.dataset.machine)}`).catch((error) => ({ error })),
  );
  byId('detail-title').textContent = title;
  byId('detail-facts').replaceChildren(...facts);
  byId('detail-timeline').replaceChildren(...timeline);
  byId('detail').showModal();
}
