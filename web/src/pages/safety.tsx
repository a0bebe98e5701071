/* Who is looking: now, and in any time there was; and what else happened in the home, in plain words. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../api/client';
import { AUDIT_KINDS, type AuditEntry, type AuditGroup, type AuditKind, type Camera, type Home, type Viewing, type Watching } from '../api/types';
import { duration, list, shortTime, t, type Key } from '../i18n';
import type { HomeData } from '../state/home';
import { useStore } from '../state/store';
import { Alert, Choices, sentenceFor, useSubmit } from '../ui/form';
import { Icon, type IconName } from '../ui/icons';
import { Page } from '../ui/page';
import { LogEveryoneOut } from './everyone';
import { inWords, isAlways } from './terms';
import { EndSheet, useWatching, WatcherRow, wayOf } from './watchers';

const HOUR_MS = 3_600_000;

/* ---- names ---- */

type NameOf = (camera: string | null) => string;

const namesOf = (cameras: Camera[]): NameOf => (id) => cameras.find((one) => one.id === id)?.name ?? id ?? t('safety.cameras');

/* Names of members are told; who left is still somebody. */
const who = (name: string | null, account: string | null): string => name ?? (account === null ? t('safety.stranger') : t('safety.gone'));


/* Who did it: a command that was given at the server is nobody of the home. */
const doer = (entry: AuditEntry): string => (entry.command ? t('safety.command') : who(entry.name, entry.account));

const CAUSES = [
  'wrong-name-or-password', 'too-many-tries', 'no-grant', 'no-member', 'session-over', 'account-held-off', 'too-many', 'left',
  'not-yet', 'over', 'not-these-hours', 'home-suspended', 'wrong-name-or-code', 'no-challenge', 'no-such-passkey', 'bad-signature',
  'counter-went-back', 'no-such-invitation', 'already-member', 'name-taken', 'wrong-code', 'code-held-off',
  'link-ended', 'link-maker',
] as const;
const causeOf = (cause: string | undefined): string => t(`safety.cause.${CAUSES.find((one) => one === cause) ?? 'other'}`);

/* ---- who is watching ---- */

function Now({ home, data, nameOf }: { home: Home; data: HomeData; nameOf: NameOf }) {
  const { all, error, load } = useWatching(home.id, data);
  const [ending, setEnding] = useState<Watching | null>(null);
  return (
    <section class="card" aria-labelledby="safety-now">
      <h2 id="safety-now"><Icon name="eye" /> {t('safety.now')}</h2>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {all && all.length === 0 && <p class="quiet">{t('safety.nobody')}</p>}
      {all && all.length > 0 && (
        <ul class="rows">
          {all.map((one) => (
            <WatcherRow key={`${one.camera} ${one.session} ${one.path} ${one.since}`} one={one} where={nameOf(one.camera)}
              onEnd={() => setEnding(one)} />
          ))}
        </ul>
      )}
      {ending && <EndSheet home={home.id} one={ending} onClose={() => setEnding(null)} onDone={load} />}
    </section>
  );
}

/* ---- who saw ---- */

/* As an <input type="datetime-local"> has it: the browser's own time, to the minute. */
function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

function WhenField({ label, value, onInput }: { label: string; value: string; onInput(value: string): void }) {
  return (
    <label class="field">
      {label}
      <span class="field-box"><input type="datetime-local" value={value} onInput={(event) => onInput(event.currentTarget.value)} required /></span>
    </label>
  );
}

function Seen({ one }: { one: Viewing }) {
  const begin = Date.parse(one.begin);
  const until = one.end === null ? t('safety.goesOn') : duration(Math.max(0, Date.parse(one.end) - begin));
  const frames = one.frames.reduce((sum, stream) => sum + stream.frames, 0);
  const isCut = one.end !== null && one.cause !== 'left' && one.cause !== '';
  return (
    <li class="row">
      <span class="row-icon"><Icon name={one.path === 'still' ? 'picture' : 'eye'} /></span>
      <div class="row-text">
        <strong>{who(one.name, one.account)}</strong>
        <span class="quiet">{shortTime(begin).text} · {until} · {wayOf(one.path)}{isCut && ` · ${t('safety.cut', { cause: causeOf(one.cause) })}`}</span>
        {frames > 0 && <span class="quiet">{t('safety.pictures', { count: frames })}</span>}
      </div>
    </li>
  );
}

function WhoSaw({ home, cameras }: { home: Home; cameras: Camera[] }) {
  const [camera, setCamera] = useState('');
  const [from, setFrom] = useState(() => localTime(Date.now() - 24 * HOUR_MS));
  const [to, setTo] = useState(() => localTime(Date.now() + 60_000));
  const [found, setFound] = useState<{ viewings: Viewing[]; has_more: boolean } | null>(null);
  const { isBusy, error, run } = useSubmit();
  const chosen = camera || cameras[0]?.id;
  const ask = (event: Event) => {
    event.preventDefault();
    if (chosen) void run(async () => setFound(await api.viewings(home.id, chosen, new Date(from), new Date(to))));
  };
  return (
    <section class="card" aria-labelledby="safety-saw">
      <h2 id="safety-saw"><Icon name="question" /> {t('safety.saw')}</h2>
      <form class="safety-ask" onSubmit={ask}>
        <label class="field">
          {t('safety.camera')}
          <span class="field-box">
            <select value={chosen} onChange={(event) => { setCamera(event.currentTarget.value); setFound(null); }}>
              {cameras.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
            </select>
          </span>
        </label>
        <WhenField label={t('safety.from')} value={from} onInput={setFrom} />
        <WhenField label={t('safety.to')} value={to} onInput={setTo} />
        <button type="submit" class="button is-primary" disabled={isBusy || !chosen}>{t('safety.ask')}</button>
      </form>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <div role="status">
        {found && found.viewings.length === 0 && <p>{t('safety.nobodySaw')}</p>}
        {found && found.viewings.length > 0 && <ul class="rows">{found.viewings.map((one) => <Seen key={one.entry} one={one} />)}</ul>}
        {found?.has_more && <p class="quiet">{t('safety.tooMany')}</p>}
      </div>
    </section>
  );
}

/* ---- what happened ---- */

const ICONS: Partial<Record<AuditKind, IconName>> = {
  'sign-in': 'key', 'sign-in-refused': 'warn', 'sign-out': 'out', 'password-changed': 'key', setup: 'home', 'member-added': 'people',
  'member-role': 'people', 'member-removed': 'people', 'grant-put': 'check', 'grant-removed': 'lock', 'token-revoked': 'lock', cut: 'lock',
  'view-refused': 'warn', 'opening-refused': 'warn', 'evidence-alarm': 'warn', 'view-begin': 'eye', 'view-end': 'eye',
  'passkey-added': 'key', 'passkey-removed': 'key', 'passkey-refused': 'warn', 'recovery-made': 'key', 'recovery-used': 'key',
  'password-reset': 'key', 'totp-added': 'key', 'totp-removed': 'key', 'group-grant-put': 'check', 'group-grant-removed': 'lock', 'group-deleted': 'lock', 'invitation-made': 'people',
  'invitation-taken': 'people', 'invitation-ended': 'lock', 'invitation-refused': 'warn', 'home-changed': 'home', 'home-suspended': 'lock',
  'home-resumed': 'check', 'home-handed-over': 'people', 'moved-out': 'out', 'session-ended': 'out', 'sessions-ended': 'out',
  'everyone-out': 'out', 'person-signed-out': 'out', 'guest-link-made': 'check', 'guest-link-revoked': 'lock', 'guest-link-opened': 'eye',
  'guest-link-refused': 'warn', 'sign-in-again': 'key', 'account-held-off': 'lock', 'account-restored': 'check',
};

const isKind = (kind: string): kind is AuditKind => (AUDIT_KINDS as readonly string[]).includes(kind);

function sentence(entry: AuditEntry, nameOf: NameOf): string {
  if (!isKind(entry.kind)) return t('audit.other');
  const rights = (entry.rights ?? []).map((right) => t(`safety.right.${right}` as Key));
  return t(`audit.${entry.kind}`, {
    who: doer(entry), whom: who(entry.other_name, entry.other), camera: nameOf(entry.camera),
    way: wayOf(entry.path), cause: causeOf(entry.cause), rights: list(rights), role: entry.role ? t(`role.${entry.role}`) : '',
    count: entry.count ?? 1,
  });
}

function details(entry: AuditEntry, zone: string | undefined): string {
  const parts: string[] = [];
  const terms = { ...entry, rights: entry.rights ?? [] };
  if (!isAlways(terms)) parts.push(inWords(terms, zone));
  if (entry.count !== undefined && entry.since !== undefined && entry.count > 1) parts.push(t('safety.times', { count: entry.count }));
  if (entry.kind === 'view-end' && entry.since) parts.push(duration(Math.max(0, Date.parse(entry.time) - Date.parse(entry.since))));
  for (const stream of entry.frames ?? []) parts.push(t('safety.pictures', { count: stream.frames }));
  if (entry.kind === 'token-made' && entry.other_name) parts.push(entry.other_name);
  if (entry.device) parts.push(entry.device);
  if (entry.network) parts.push(entry.network);
  return parts.join(' · ');
}

const BAD: readonly string[] = [
  'sign-in-refused', 'view-refused', 'opening-refused', 'evidence-alarm', 'passkey-refused', 'invitation-refused', 'guest-link-refused',
];

function Happened({ entry, nameOf, zone }: { entry: AuditEntry; nameOf: NameOf; zone: string | undefined }) {
  const isBad = BAD.includes(entry.kind);
  const more = details(entry, zone);
  return (
    <li class="row">
      <span class={`row-icon${isBad ? ' is-late' : ''}`}><Icon name={(isKind(entry.kind) && ICONS[entry.kind]) || 'info'} /></span>
      <div class="row-text">
        {sentence(entry, nameOf)}
        <span class="quiet"><time dateTime={entry.time}>{shortTime(Date.parse(entry.time)).text}</time>{more && ` · ${more}`}</span>
      </div>
    </li>
  );
}

const FILTERS = { all: [], refusals: ['refusals'], people: ['people'], rights: ['rights', 'cameras'], views: ['views'] } as const satisfies
  Record<string, readonly AuditGroup[]>;
type Filter = keyof typeof FILTERS;

function What({ home, nameOf }: { home: Home; nameOf: NameOf }) {
  const [filter, setFilter] = useState<Filter>('all');
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [hasMore, setHasMore] = useState(false);
  const { isBusy, error, run } = useSubmit();
  const load = (before?: number) => void run(async () => {
    const page = await api.audit(home.id, FILTERS[filter], before);
    setEntries((kept) => (before === undefined || kept === null ? page.entries : [...kept, ...page.entries]));
    setHasMore(page.has_more);
  });
  useEffect(() => load(), [home.id, filter]);
  const last = entries?.[entries.length - 1];
  return (
    <section class="card" aria-labelledby="safety-what">
      <h2 id="safety-what"><Icon name="clock" /> {t('safety.what')}</h2>
      <Choices legend={t('safety.show')} isRow isQuiet value={filter} onChange={(value: Filter) => setFilter(value)}
        choices={(Object.keys(FILTERS) as Filter[]).map((value) => ({ value, label: t(`safety.filter.${value}`) }))} />
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {entries && entries.length === 0 && <p class="quiet">{t('safety.nothing')}</p>}
      {entries && entries.length > 0 && <ul class="rows">{entries.map((entry) => <Happened key={entry.number} entry={entry} nameOf={nameOf} zone={home.time_zone} />)}</ul>}
      {hasMore && last && <button type="button" class="button" disabled={isBusy} onClick={() => load(last.number)}>{t('safety.more')}</button>}
    </section>
  );
}

export function Safety({ data, home }: { data: HomeData; home: Home }) {
  const cameras = useStore(data.cameras) ?? [];
  const nameOf = namesOf(cameras);
  const [done, setDone] = useState(0); // what happened is asked for again
  return (
    <Page title={t('safety.title')} about={t('safety.about')}>
      <Now home={home} data={data} nameOf={nameOf} />
      <WhoSaw home={home} cameras={cameras} />
      <LogEveryoneOut home={home} onDone={() => setDone(done + 1)} />
      <What key={done} home={home} nameOf={nameOf} />
    </Page>
  );
}
