/* The operator's homes: names and counts, never pictures; inviting a first owner, holding one off, and many from a file. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem, type Problem } from '../api/client';
import type { Home, HomesFault, ImportedHome } from '../api/types';
import { shortTime, t } from '../i18n';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, Note, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { LinkSheet } from '../ui/link-sheet';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';

const WHY_BYTES = 127;
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/* ---- holding one off ---- */

function HoldOffSheet({ home, onClose, onDone }: { home: Home; onClose(): void; onDone(): void }) {
  const [why, setWhy] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const hold = () => {
    const found = why.trim() === '' ? t('field.required') : bytesOf(why.trim()) > WHY_BYTES ? t('held.long') : '';
    setFault(found);
    if (found !== '') return;
    void run(async () => {
      await api.holdOff(home.id, why.trim());
      onDone();
      onClose();
    });
  };
  return (
    <Sheet title={t('held.doTitle', { home: home.name })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('held.now')}</li>
        <li>{t('held.told')}</li>
        <li>{t('held.people')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <Field label={t('held.why')} hint={t('held.whyHint')} value={why} onInput={setWhy} error={fault} isFocused />
      <HoldButton label={t('held.do')} isBusy={isBusy} onHeld={hold} />
    </Sheet>
  );
}

/* ---- its first owner ---- */

const DAYS = ['1', '7', '30'] as const;

function InviteSheet({ home, onClose, onMade }: { home: Home; onClose(): void; onMade(link: string, expires: string): void }) {
  const [label, setLabel] = useState('');
  const [days, setDays] = useState<(typeof DAYS)[number]>('7');
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      const made = await api.inviteOwner(home.id, { label: label.trim(), days: Number(days) });
      onMade(`${location.origin}/#join=${made.token}`, made.expires);
    });
  };
  return (
    <Sheet title={t('homes.inviteTitle', { home: home.name })} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        <p>{t('homes.inviteWhat')}</p>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        <Field label={t('invite.label')} value={label} onInput={setLabel} isOptional isFocused />
        <Choices legend={t('invite.until')} value={days} isRow onChange={(value) => setDays(value)}
          choices={DAYS.map((value) => ({ value, label: t('invite.day', { count: Number(value) }) }))} />
        <button class="button is-primary" aria-disabled={isBusy}>{t('invite.do')}</button>
      </form>
    </Sheet>
  );
}

function HomeRow({ home, onInvite, onHoldOff, onLetGo }: { home: Home; onInvite(): void; onHoldOff(): void; onLetGo(): void }) {
  const held = home.suspended;
  const isEmpty = home.people === 0;
  return (
    <li class="row has-ways">
      <span class={`row-icon${held ? ' is-held' : ''}`}><Icon name={held ? 'hold' : 'home'} /></span>
      <div class="row-text">
        <strong>{home.name}</strong> <span class="quiet" dir="ltr">{home.id}</span>
        {typeof home.cameras === 'number' && (
          <span class="quiet">{t('wall.cameras', { count: home.cameras })}{isEmpty && ` · ${t('homes.nobody')}`}</span>
        )}
        {held && <span class="quiet">{t('tile.heldOff')}: {t('tile.heldOffWhy', { why: held.why, name: held.by, time: shortTime(Date.parse(held.since)) })}</span>}
      </div>
      <div class="row-ways">
        {isEmpty && !held && (
          <button type="button" class="button" onClick={onInvite}>{t('homes.invite')}<span class="unseen"> {home.name}</span></button>
        )}
        {held ? <button type="button" class="button" onClick={onLetGo}>{t('held.letGo')}<span class="unseen"> {home.name}</span></button>
          : <button type="button" class="button" onClick={onHoldOff}>{t('held.do')}<span class="unseen"> {home.name}</span></button>}
      </div>
    </li>
  );
}

/* ---- many from a file ---- */

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);

/* The links are told once: they are kept as a file, as `casement home import --links` does. */
function saveLinks(made: ImportedHome[]): void {
  const lines = ['home,owner,link', ...made.map((one) =>
    [csvField(one.name), csvField(one.owner), `${location.origin}/#join=${one.token}`].join(','))];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv;charset=utf-8' }));
  link.download = 'casement-links.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const CAUSES = [
  'no-such-column', 'column-twice', 'column-missing', 'too-many-fields', 'too-many-lines', 'too-many-homes', 'no-home', 'home-name', 'home-twice',
  'home-taken', 'other-owner', 'camera-name', 'bad-address', 'bad-text', 'open-quote', 'stray-quote', 'behind-quote', 'control-character', 'too-long-a-line',
] as const;

function Cause({ of }: { of: HomesFault }) {
  const known = CAUSES.find((one) => one === of.cause);
  return known ? <>{t(`import.cause.${known}`)}</> : <span lang="en">{of.detail}</span>;
}

function Faults({ problem }: { problem: Problem }) {
  const faults = (problem.more.faults ?? []) as HomesFault[];
  const rest = Number(problem.more.fault_count ?? 0) - faults.length;
  return (
    <Alert>
      <p>{t('import.faults')}</p>
      <ul class="faults">
        {faults.map((one, n) => (
          <li key={n}>{t('import.line', { line: one.line, column: one.column })}{one.name && ` (${one.name})`}: <Cause of={one} /></li>
        ))}
        {rest > 0 && <li>{t('import.rest', { count: rest })}</li>}
      </ul>
    </Alert>
  );
}

function ImportForm({ onMade }: { onMade(made: ImportedHome[]): void }) {
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [checked, setChecked] = useState<ImportedHome[] | null>(null);
  const { isBusy, error, setError, run } = useSubmit();
  const take = (input: HTMLInputElement) => {
    const chosen = input.files?.[0];
    setFile(null);
    setChecked(null);
    setError(null);
    if (!chosen) return;
    void run(async () => {
      const text = await chosen.text();
      setFile({ name: chosen.name, text });
      setChecked(await api.importHomes(text, true));
    });
  };
  const make = () => void run(async () => {
    if (file) onMade(await api.importHomes(file.text, false));
    setFile(null);
    setChecked(null);
  });
  const cameras = (checked ?? []).reduce((sum, home) => sum + home.cameras, 0);
  const problem = error === null ? null : asProblem(error);
  return (
    <section class="card form" aria-labelledby="import-title">
      <h2 id="import-title">{t('import.title')}</h2>
      <p class="hint">{t('import.how')} <code dir="ltr">home, owner, camera, address, sub, user, password</code></p>
      <div class="field">
        <label for="import-file">{t('import.file')}</label>
        <div class="field-box"><input id="import-file" type="file" accept=".csv,text/csv" onChange={(event) => take(event.currentTarget)} /></div>
      </div>
      {problem && (problem.name_ === 'bad-homes-file' ? <Faults problem={problem} /> : <Alert>{sentenceFor(problem)}</Alert>)}
      {checked && (
        <>
          <Note>{t('import.fine', { homes: t('import.homes', { count: checked.length }), cameras: t('wall.cameras', { count: cameras }) })}</Note>
          <button type="button" class="button is-primary" aria-disabled={isBusy} onClick={make}>{t('import.do')}</button>
        </>
      )}
    </section>
  );
}

function MadeSheet({ made, onClose }: { made: ImportedHome[]; onClose(): void }) {
  return (
    <Sheet title={t('import.made', { homes: t('import.homes', { count: made.length }) })} onClose={onClose}>
      <p>{t('import.once')}</p>
      <button type="button" class="button is-primary" onClick={() => saveLinks(made)}><Icon name="save" /> {t('import.save')}</button>
      <button type="button" class="button" onClick={onClose}>{t('do.done')}</button>
    </Sheet>
  );
}

/* ---- the page ---- */

type Opened = { holdOff: Home } | { invite: Home } | { link: string; expires: string } | { made: ImportedHome[] };

export function Homes() {
  const [homes, setHomes] = useState<Home[] | null>(null);
  const [name, setName] = useState('');
  const [fault, setFault] = useState('');
  const [open, setOpen] = useState<Opened | null>(null);
  const { isBusy, error, setError, run } = useSubmit();
  const load = () => void api.homes().then(setHomes, setError);
  useEffect(load, []);
  const submit = (event: Event) => {
    event.preventDefault();
    setFault(name.trim() === '' ? t('field.required') : '');
    if (name.trim() === '') return;
    void run(async () => {
      await api.addHome(name.trim());
      setName('');
      load();
    });
  };
  const letGo = (home: Home) => void run(async () => {
    await api.letGo(home.id);
    notify(t('held.gone', { home: home.name }));
    load();
  });
  const close = () => setOpen(null);
  return (
    <Page title={t('homes.title')} about={t('homes.intro')}>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {homes?.length === 0 && <p class="quiet">{t('homes.none')}</p>}
      {homes && homes.length > 0 && (
        <ul class="rows card">
          {homes.map((home) => (
            <HomeRow key={home.id} home={home} onInvite={() => setOpen({ invite: home })}
              onHoldOff={() => setOpen({ holdOff: home })} onLetGo={() => letGo(home)} />
          ))}
        </ul>
      )}
      <form class="card form" onSubmit={submit} noValidate>
        <h2>{t('homes.add')}</h2>
        <Field label={t('homes.name')} value={name} onInput={setName} error={fault} placeholder={t('setup.homeExample')} />
        <button class="button is-primary" aria-disabled={isBusy}>{t('homes.addDo')}</button>
        <p class="hint">{t('wall.emptyOperator')}</p>
      </form>
      <ImportForm onMade={(made) => { setOpen({ made }); load(); }} />
      {open !== null && 'holdOff' in open && <HoldOffSheet home={open.holdOff} onClose={close} onDone={load} />}
      {open !== null && 'invite' in open && (
        <InviteSheet home={open.invite} onClose={close} onMade={(link, expires) => setOpen({ link, expires })} />
      )}
      {open !== null && 'link' in open && <LinkSheet {...open} onClose={close} />}
      {open !== null && 'made' in open && <MadeSheet made={open.made} onClose={close} />}
    </Page>
  );
}
