'use strict';
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const canvas = $('c'), ctx = canvas.getContext('2d'), tip = $('tip');
const dark = matchMedia('(prefers-color-scheme:dark)');
// Nodes' colours are those of text, too: each ground has its own.
const lanesColours = {
  light: ['#0b7a86', '#a243b8', '#2a8134', '#3763d6', '#b1550f', '#7d6300', '#c23a6a', '#55677f'],
  dark: ['#3fc3d0', '#d68be6', '#6fcf7a', '#8fabff', '#f09a5b', '#d9b944', '#f286ab', '#a3b3c9'],
};
// What can be drawn: messages as strokes, marks as dots.
const kinds = {
  append: {name: 'appends', colour: '#2f6fed', message: true},
  empty: {name: 'empty appends', colour: '#93a9d6', message: true},
  heartbeat: {name: 'heartbeats', colour: '#a9b1c0', message: true},
  vote: {name: 'votes', colour: '#8b3fd9', message: true},
  'pre-vote': {name: 'pre-votes', colour: '#bf93ea', message: true},
  'election now': {name: 'hand-overs', colour: '#d94fb0', message: true},
  snapshot: {name: 'snapshots', colour: '#e07b1a', message: true},
  stored: {name: 'on disk', colour: '#7f93ad'},
  applied: {name: 'applied', colour: '#22a06b'},
  election: {name: 'candidates', colour: '#8b3fd9'},
  leader: {name: 'leaders', colour: '#d4a106'},
  migration: {name: 'migrations', colour: '#d6408f'},
  fault: {name: 'faults', colour: '#d64545'},
  start: {name: 'starts', colour: '#22a06b'},
  stop: {name: 'stops', colour: '#d64545'},
  warn: {name: 'warnings', colour: '#d9962a'},
  error: {name: 'errors', colour: '#d64545'},
};
const present = {};
for (const m of D.messages) present[m.k] = (present[m.k] || 0) + 1;
for (const m of D.marks) present[m.k] = (present[m.k] || 0) + 1;
const shown = {};
for (const k in kinds) {
  if (!present[k]) continue;
  shown[k] = true;
  const b = document.createElement('button'), i = document.createElement('i');
  i.style.background = kinds[k].colour;
  if (!kinds[k].message) i.className = 'dot';
  b.append(i, `${kinds[k].name} ${present[k]}`);
  b.setAttribute('aria-pressed', 'true');
  b.onclick = () => { shown[k] = !shown[k]; b.setAttribute('aria-pressed', shown[k]); draw(); };
  $('kinds').append(b);
}
const groups = [...new Set(D.reigns.map(r => r.g))].sort((a, b) => a - b);

// The view: from which time on, and how many pixels a millisecond has.
const top0 = 46, left0 = 96;
let W = 0, H = 0, from = 0, scale = 1, picked = null, cursor = null;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const y = t => top0 + (t - from) * scale;
const time = py => from + (py - top0) / scale;
const x = n => left0 + (W - left0) * (n + .5) / D.nodes.length;
const colour = n => { const all = lanesColours[dark.matches ? 'dark' : 'light']; return all[n % all.length]; };
const until = () => time(H);

function clock(t, digits = 3) {
  const d = new Date(D.start + Math.floor(t)), p = (n, w) => String(n).padStart(w, '0');
  let s = `${p(d.getHours(), 2)}:${p(d.getMinutes(), 2)}:${p(d.getSeconds(), 2)}`;
  if (digits > 0) s += '.' + p(d.getMilliseconds(), 3) + (digits > 3 ? p(Math.floor((t - Math.floor(t)) * 1000), 3) : '');
  return s;
}
function took(ms) {
  if (ms == null || isNaN(ms)) return '';
  if (Math.abs(ms) < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
function clamp() {
  const least = (H - top0 - 8) / (D.span * 1.02 || 1);
  scale = Math.max(least, Math.min(scale, 2000));
  from = Math.max(0, Math.min(from, Math.max(0, D.span * 1.02 - (H - top0) / scale)));
}
function fit() { scale = 0; from = 0; clamp(); draw(); }
function zoom(by, at) { const t = time(at); scale *= by; clamp(); from = t - (at - top0) / scale; clamp(); draw(); }
function show(t) { if (t < from || t > until()) { from = t - (H - top0) / scale / 3; clamp(); } }

const steps = [.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5];
function axis() {
  const step = steps.find(s => s * scale > 46) || 36e5, digits = step < 1 ? 6 : step < 1000 ? 3 : 0;
  ctx.font = '11px system-ui, sans-serif'; ctx.textAlign = 'right'; ctx.textBaseline = 'middle';
  const base = D.start % step;
  for (let t = Math.ceil((from + base) / step) * step - base; y(t) < H; t += step) {
    ctx.strokeStyle = css('--rule'); ctx.lineWidth = 1;
    ctx.beginPath(); ctx.moveTo(left0 - 6, y(t)); ctx.lineTo(W, y(t)); ctx.stroke();
    ctx.fillStyle = css('--dim'); ctx.fillText(clock(t + 1e-6, digits), left0 - 12, y(t));
  }
}
function lanes() {
  const half = Math.min(70, (W - left0) / D.nodes.length / 2 - 8);
  for (const s of D.spans) {
    const a = Math.max(top0, y(s.f)), b = Math.min(H, Math.max(y(s.t), y(s.f) + 2));
    if (b < top0 || a > H) continue;
    if (s.n < 0) {
      ctx.fillStyle = 'rgba(214,69,69,.09)'; ctx.fillRect(left0 - 6, a, W, b - a);
      ctx.fillStyle = '#d64545'; ctx.fillRect(left0 - 6, a, 3, b - a);
    }
  }
  D.nodes.forEach((name, n) => {
    ctx.strokeStyle = css('--lane'); ctx.lineWidth = 1.5; ctx.beginPath(); ctx.moveTo(x(n), top0); ctx.lineTo(x(n), Math.min(H, y(D.span))); ctx.stroke();
  });
  for (const r of D.reigns) {
    const a = Math.max(top0, y(r.f)), b = Math.min(H, Math.max(y(r.t), y(r.f) + 2));
    if (b < top0 || a > H) continue;
    const i = groups.indexOf(r.g), w = groups.length > 4 ? 3 : 6, px = x(r.n) + (i - (groups.length - 1) / 2) * (w + 1) - w / 2;
    ctx.fillStyle = colour(r.n); ctx.globalAlpha = .85; ctx.fillRect(px, a, w, b - a); ctx.globalAlpha = 1;
  }
  for (const s of D.spans) {
    const a = Math.max(top0, y(s.f)), b = Math.min(H, Math.max(y(s.t), y(s.f) + 2));
    if (s.n < 0 || b < top0 || a > H) continue;
    ctx.fillStyle = css('--bg'); ctx.fillRect(x(s.n) - 14, a, 28, b - a);
    ctx.save(); ctx.beginPath(); ctx.rect(x(s.n) - 9, a, 18, b - a); ctx.clip();
    ctx.strokeStyle = s.k === 'down' ? '#d64545' : '#d9962a'; ctx.globalAlpha = .6; ctx.lineWidth = 1.5;
    for (let py = a - 20 - (a % 8); py < b + 20; py += 8) { ctx.beginPath(); ctx.moveTo(x(s.n) - 10, py + 10); ctx.lineTo(x(s.n) + 10, py - 10); ctx.stroke(); }
    ctx.restore();
    if (b - a > 16) { ctx.font = '600 11px system-ui, sans-serif'; ctx.textAlign = 'left'; ctx.textBaseline = 'middle'; ctx.fillStyle = s.k === 'down' ? '#d64545' : '#b7791f'; ctx.fillText(s.k === 'down' ? 'down' : 'stalled', x(s.n) + 14, (a + b) / 2); }
  }
}
function arrow(x1, y1, x2, y2, c, alpha, dash, w) {
  ctx.strokeStyle = ctx.fillStyle = c; ctx.globalAlpha = alpha; ctx.lineWidth = w; ctx.setLineDash(dash);
  ctx.beginPath(); ctx.moveTo(x1, y1); ctx.lineTo(x2, y2); ctx.stroke(); ctx.setLineDash([]);
  const a = Math.atan2(y2 - y1, x2 - x1), s = 6;
  ctx.beginPath(); ctx.moveTo(x2, y2); ctx.lineTo(x2 - s * Math.cos(a - .35), y2 - s * Math.sin(a - .35)); ctx.lineTo(x2 - s * Math.cos(a + .35), y2 - s * Math.sin(a + .35)); ctx.fill();
  ctx.globalAlpha = 1;
}
// A message that no line tells the arrival of; unseen: nor could one.
function lost(x1, y1, x2, c, w, unseen) {
  const ex = x1 + (x2 - x1) * .3, ey = y1 + 7;
  if (unseen) { ctx.globalAlpha = .35; ctx.setLineDash([2, 3]); ctx.strokeStyle = c; ctx.lineWidth = w; ctx.beginPath(); ctx.moveTo(x1, y1); ctx.lineTo(ex, ey); ctx.stroke(); ctx.setLineDash([]); ctx.globalAlpha = 1; return; }
  ctx.strokeStyle = c; ctx.lineWidth = w; ctx.beginPath(); ctx.moveTo(x1, y1); ctx.lineTo(ex, ey); ctx.stroke();
  ctx.strokeStyle = '#d64545'; ctx.lineWidth = 1.8; ctx.beginPath(); ctx.moveTo(ex - 4, ey - 4); ctx.lineTo(ex + 4, ey + 4); ctx.moveTo(ex + 4, ey - 4); ctx.lineTo(ex - 4, ey + 4); ctx.stroke();
}
let hits = [];
function messages() {
  hits = [];
  const a = from - 50 / scale, b = until() + 50 / scale;
  const seen = D.messages.filter(m => shown[m.k] && (m.s ?? m.r) < b && (m.b ?? m.a ?? m.r ?? m.s) > a);
  const alpha = Math.max(.14, Math.min(1, 260 / seen.length)), named = []; // where indexes stand
  for (const m of seen) {
    const c = kinds[m.k].colour, d = Math.sign(x(m.t) - x(m.f)) * 5, x1 = x(m.f) + d, x2 = x(m.t) - d, on = picked === m, w = on ? 2.6 : m.k === 'heartbeat' || m.k === 'empty' ? 1 : 1.5;
    if (m.s != null && m.r != null) {
      arrow(x1, y(m.s), x2, y(m.r), c, on ? 1 : alpha, [], w);
      hits.push([x1, y(m.s), x2, y(m.r), m]);
    } else if (m.s != null && m.s < D.span - 5) {
      lost(x1, y(m.s), x2, c, w, m.u);
      hits.push([x1, y(m.s), x1 + (x2 - x1) * .3, y(m.s) + 7, m]);
    }
    if (m.a != null && m.b != null) {
      arrow(x2, y(m.a), x1, y(m.b), m.x ? '#d64545' : c, on ? 1 : alpha * .75, [4, 3], w * .8);
      hits.push([x2, y(m.a), x1, y(m.b), m]);
    }
    if (on && m.r != null && m.a != null) { ctx.strokeStyle = c; ctx.lineWidth = 5; ctx.globalAlpha = .5; ctx.beginPath(); ctx.moveTo(x2, y(m.r)); ctx.lineTo(x2, y(m.a)); ctx.stroke(); ctx.globalAlpha = 1; }
    if (seen.length < 60 && m.i && m.n && m.s != null && m.r != null && Math.abs(x2 - x1) > 90) {
      const mx = x1 + (x2 - x1) * .3, my = y(m.s) + (y(m.r) - y(m.s)) * .3;
      ctx.font = '10px system-ui, sans-serif'; ctx.textAlign = 'center'; ctx.textBaseline = 'bottom'; ctx.fillStyle = c;
      if (!named.some(([px, py]) => Math.abs(px - mx) < 34 && Math.abs(py - my) < 11)) { named.push([mx, my]); ctx.fillText(`i${m.i}`, mx, my - 2); }
    }
  }
}
function shape(k, px, py, c) {
  ctx.fillStyle = c; ctx.strokeStyle = css('--bg'); ctx.lineWidth = 1.5; ctx.beginPath();
  switch (k) {
  case 'leader': for (let i = 0; i < 10; i++) { const r = i % 2 ? 4.2 : 10, a = -Math.PI / 2 + i * Math.PI / 5; ctx.lineTo(px + r * Math.cos(a), py + r * Math.sin(a)); } ctx.closePath(); break;
  case 'election': ctx.moveTo(px, py - 6); ctx.lineTo(px + 6, py); ctx.lineTo(px, py + 6); ctx.lineTo(px - 6, py); ctx.closePath(); break;
  case 'start': ctx.moveTo(px - 6, py - 5); ctx.lineTo(px + 6, py - 5); ctx.lineTo(px, py + 6); ctx.closePath(); break;
  case 'stop': case 'snapshot': ctx.rect(px - 5, py - 5, 10, 10); break;
  case 'fault': ctx.moveTo(px + 2, py - 8); ctx.lineTo(px - 5, py + 1); ctx.lineTo(px - 1, py + 1); ctx.lineTo(px - 2, py + 8); ctx.lineTo(px + 5, py - 2); ctx.lineTo(px + 1, py - 2); ctx.closePath(); break;
  case 'stored': ctx.rect(px - 3, py - 1.5, 6, 3); ctx.fill(); return;
  case 'applied': ctx.arc(px, py, 3.2, 0, 7); ctx.fill(); return;
  default: ctx.arc(px, py, 4, 0, 7);
  }
  ctx.fill(); ctx.stroke();
}
// Stars and diamonds lie above what is small and frequent.
const rank = k => k === 'leader' ? 3 : k === 'election' || k === 'fault' ? 2 : k === 'stored' || k === 'applied' ? 0 : 1;
D.marks.sort((a, b) => rank(a.k) - rank(b.k));
const aside = {stored: -7, applied: 0, warn: 12, error: 12, fault: -14};
function marks() {
  for (const m of D.marks) {
    const py = y(m.t);
    if (!shown[m.k] || py < top0 - 8 || py > H + 8) continue;
    const px = x(m.n) + (aside[m.k] || 0);
    shape(m.k, px, py, kinds[m.k].colour);
    hits.push([px, py, px, py, m]);
  }
}
// A text that ends at px, on a ground of its own.
function label(text, px, py, c) {
  ctx.font = '600 11px system-ui, sans-serif'; ctx.textAlign = 'right'; ctx.textBaseline = 'middle';
  const w = ctx.measureText(text).width;
  ctx.fillStyle = css('--bg'); ctx.globalAlpha = .86; ctx.fillRect(px - w - 4, py - 8, w + 8, 16); ctx.globalAlpha = 1;
  ctx.fillStyle = c; ctx.fillText(text, px, py);
}
// Faults are named at the right, where no reign is. Who leads stands beside the lane where the reign begins, or where the view does.
function labels() {
  let above = -99;
  for (const s of D.spans) {
    const a = Math.max(top0, y(s.f)) + 9;
    if (s.n >= 0 || y(s.t) < top0 + 2 || a > H || a - above < 15) continue;
    above = a;
    label(s.x, W - 10, a, '#d64545');
  }
  const taken = D.nodes.map(() => []);
  for (const r of D.reigns) {
    const a = Math.max(top0 + 10, y(r.f)), b = Math.min(H, y(r.t));
    if (b < top0 || a > H || b - a < 13 && y(r.f) < top0) continue;
    if (taken[r.n].some(other => Math.abs(a - other) < 15)) continue;
    taken[r.n].push(a);
    const g = groups.length > 1 ? 'g' + r.g + ' ' : '', px = x(r.n) - 16;
    ctx.font = '600 11px system-ui, sans-serif';
    let text = `leads ${g}in term ${r.m}`;
    if (px - ctx.measureText(text).width < (r.n ? x(r.n - 1) + 20 : left0)) text = `${g}t${r.m}`;
    label(text, px, a, colour(r.n));
  }
}
function heads() {
  ctx.fillStyle = css('--bg'); ctx.fillRect(0, 0, W, top0);
  ctx.strokeStyle = css('--rule'); ctx.lineWidth = 1; ctx.beginPath(); ctx.moveTo(0, top0 - .5); ctx.lineTo(W, top0 - .5); ctx.stroke();
  D.nodes.forEach((name, n) => {
    ctx.textAlign = 'center'; ctx.textBaseline = 'middle'; ctx.font = '650 14px system-ui, sans-serif'; ctx.fillStyle = colour(n); ctx.fillText(name, x(n), 16);
    const leads = D.reigns.filter(r => r.n === n && r.f <= time(H / 2) && r.t >= time(H / 2)).map(r => 'g' + r.g);
    ctx.font = '11px system-ui, sans-serif'; ctx.fillStyle = css('--dim'); ctx.fillText(leads.length ? 'leads ' + leads.join(' ') : '', x(n), 33);
  });
  ctx.textAlign = 'right'; ctx.font = '11px system-ui, sans-serif'; ctx.fillStyle = css('--dim'); ctx.fillText(`${took((H - top0) / scale)} high`, left0 - 12, 16);
}
function draw() {
  ctx.clearRect(0, 0, W, H); ctx.fillStyle = css('--bg'); ctx.fillRect(0, 0, W, H);
  axis(); lanes(); messages(); marks(); labels();
  if (cursor != null) { ctx.strokeStyle = css('--accent'); ctx.lineWidth = 1; ctx.setLineDash([3, 3]); ctx.beginPath(); ctx.moveTo(left0 - 6, y(cursor)); ctx.lineTo(W, y(cursor)); ctx.stroke(); ctx.setLineDash([]); }
  heads();
  $('when').textContent = `${clock(from)} – ${clock(Math.min(D.span, until()))}`;
  inView();
  remember();
}

// The address holds the view, so that a link shows what was seen.
let later = 0;
function remember() {
  clearTimeout(later);
  later = setTimeout(() => { try { history.replaceState(null, '', `#${from.toFixed(3)}-${until().toFixed(3)}`); } catch { /* a frame that may not */ } }, 300);
}
function recall() {
  const m = /^#([\d.]+)-([\d.]+)$/.exec(location.hash);
  if (!m || +m[2] <= +m[1]) return fit();
  scale = (H - top0) / (m[2] - m[1]); from = +m[1]; clamp(); from = +m[1]; clamp(); draw();
}

// The lines beside: those in view are bright.
const rows = D.lines.map(l => {
  const row = document.createElement('div');
  row.className = l.l || '';
  const cell = (c, text) => { const s = document.createElement('span'); s.className = c; s.textContent = text; return s; };
  const node = cell('n', D.nodes[l.n]);
  const msg = cell('x', l.x);
  if (l.g >= 0 || l.p) { const em = document.createElement('em'); em.textContent = `${l.g >= 0 ? 'g' + l.g + ' ' : ''}${l.p || ''} `; msg.prepend(em); }
  row.append(cell('t', clock(l.t)), node, msg);
  row.onclick = () => { cursor = l.t; show(l.t); pick(null); mark(row); draw(); };
  return row;
});
const paintRows = () => rows.forEach((row, i) => row.children[1].style.color = colour(D.lines[i].n));
paintRows();
$('lines').append(...rows);
let over = false, at = null;
$('lines').onmouseenter = () => over = true;
$('lines').onmouseleave = () => over = false;
function mark(row) { if (at) at.classList.remove('at'); at = row; if (row) row.classList.add('at'); }
function inView() {
  let first = null;
  const a = from, b = until();
  rows.forEach((r, i) => { const v = D.lines[i].t >= a && D.lines[i].t <= b; r.classList.toggle('in', v); if (v && !first && r.style.display !== 'none') first = r; });
  if (first && !over && !at) $('lines').scrollTop = first.offsetTop - 6;
}
$('find').oninput = () => {
  const words = $('find').value.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach(r => { const t = r.textContent.toLowerCase(); r.style.display = words.every(w => t.includes(w)) ? '' : 'none'; });
};

function tell(m) {
  if (m.x != null && m.t != null && m.k && m.f == null) return `${clock(m.t, 6)} ${D.nodes[m.n]}\n${m.x}`;
  const out = [`${m.k} ${D.nodes[m.f]} → ${D.nodes[m.t]}${m.g >= 0 ? ', group ' + m.g : ''}`];
  if (m.n) out.push(`${m.n} ${m.n === 1 ? 'entry' : 'entries'} up to index ${m.i}, term ${m.m}`); else if (m.m) out.push(`term ${m.m}${m.i ? ', index ' + m.i : ''}`);
  if (m.s != null) out.push(`sent ${clock(m.s, 6)}`);
  if (m.r != null) out.push(`received ${clock(m.r, 6)}${m.s != null ? ', after ' + took(m.r - m.s) : ''}`); else out.push(m.u ? `${D.nodes[m.t]} wrote no trace then` : 'no line tells that it has arrived');
  if (m.a != null) out.push(`answered ${clock(m.a, 6)}${m.r != null ? ', after ' + took(m.a - m.r) : ''}${m.o ? ': ' + m.o : ''}`);
  if (m.b != null) out.push(`returned ${clock(m.b, 6)}${m.s != null ? ', ' + took(m.b - m.s) + ' in all' : ''}`);
  if (m.a == null && m.o) out.push(m.o);
  return out.join('\n');
}
function near(px, py) {
  let best = null, least = 64;
  for (const h of hits) {
    const [x1, y1, x2, y2] = h, dx = x2 - x1, dy = y2 - y1, l = dx * dx + dy * dy;
    const k = l ? Math.max(0, Math.min(1, ((px - x1) * dx + (py - y1) * dy) / l)) : 0;
    const d = (px - x1 - k * dx) ** 2 + (py - y1 - k * dy) ** 2 - (l ? 0 : 20);
    if (d < least) { least = d; best = h[4]; }
  }
  return best;
}
function pick(m) {
  picked = m; const box = $('detail');
  box.style.display = m ? 'block' : 'none'; box.textContent = m ? tell(m) : '';
  if (!m) return;
  const t = m.t != null && m.f == null ? m.t : (m.s ?? m.r);
  cursor = t;
  let best = null;
  D.lines.forEach((l, i) => { if (best == null || Math.abs(l.t - t) < Math.abs(D.lines[best].t - t)) best = i; });
  if (best != null) { mark(rows[best]); rows[best].scrollIntoView({block: 'center'}); }
}
let drag = null;
canvas.onpointerdown = e => { drag = {y: e.offsetY, from, moved: false}; canvas.setPointerCapture(e.pointerId); canvas.classList.add('drag'); };
canvas.onpointermove = e => {
  if (drag) { drag.moved ||= Math.abs(e.offsetY - drag.y) > 3; from = drag.from - (e.offsetY - drag.y) / scale; clamp(); tip.style.display = 'none'; if (drag.moved) { mark(null); draw(); } return; }
  const m = near(e.offsetX, e.offsetY);
  tip.style.display = m ? 'block' : 'none';
  if (m) { tip.textContent = tell(m); tip.style.left = Math.min(e.offsetX + 14, W - 330) + 'px'; tip.style.top = Math.min(e.offsetY + 14, H - 110) + 'px'; }
};
canvas.onpointerup = e => { canvas.classList.remove('drag'); if (drag && !drag.moved) { mark(null); cursor = null; pick(near(e.offsetX, e.offsetY)); draw(); } drag = null; };
canvas.onpointerleave = () => tip.style.display = 'none';
canvas.onwheel = e => { e.preventDefault(); if (e.shiftKey) { from += e.deltaY / scale; clamp(); draw(); } else { mark(null); zoom(Math.exp(-e.deltaY * .0015), e.offsetY); } };
$('in').onclick = () => zoom(1.6, H / 2); $('out').onclick = () => zoom(1 / 1.6, H / 2); $('fit').onclick = fit;
document.onkeydown = e => {
  if (e.target.tagName === 'INPUT') return;
  const page = (H - top0) / scale;
  const act = {'+': () => zoom(1.6, H / 2), '=': () => zoom(1.6, H / 2), '-': () => zoom(1 / 1.6, H / 2), 0: fit,
    ArrowDown: () => { from += page / 8; clamp(); draw(); }, ArrowUp: () => { from -= page / 8; clamp(); draw(); },
    PageDown: () => { from += page * .9; clamp(); draw(); }, PageUp: () => { from -= page * .9; clamp(); draw(); }, Escape: () => { pick(null); mark(null); cursor = null; draw(); }}[e.key];
  if (act) { e.preventDefault(); act(); }
};
function size() {
  const r = canvas.parentElement.getBoundingClientRect(), dpr = window.devicePixelRatio || 1;
  const keep = H > 0;
  W = r.width; H = r.height; canvas.width = W * dpr; canvas.height = H * dpr; ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
  if (keep) { clamp(); draw(); } else recall();
}
addEventListener('resize', size);
dark.addEventListener('change', () => { paintRows(); draw(); });
size();
// For tests: what the page shows.
window.logfilter = {data: D, hits: () => hits, view: () => ({from, scale, until: until()}), zoom, pick, lanes: () => D.nodes.map((_, n) => x(n)), y};
