/* One cell of people × cameras, or a group: why somebody sees a camera now or does not, what he may and when. */

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import { DAYS, RIGHTS, type Camera, type Day, type Home, type Person, type Right, type Terms, type Why } from '../api/types';
import { dayAndTime, list, t, weekday, type Key } from '../i18n';
import { Alert, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { HoldButton, Sheet } from '../ui/sheet';
import { Ticks } from '../ui/ticks';
import { TimeField } from '../ui/time-field';
import { asField, inWords, takesAway } from './terms';

const REASONS: Record<string, Key> = {
  owner: 'why.owner', grant: 'why.grant', 'no-grant': 'why.noGrant', 'not-yet': 'why.notYet', over: 'why.over',
  'not-these-hours': 'why.hours', 'account-held-off': 'why.heldOff',
};

export function WhyNow({ home, account, camera }: { home: Home; account: string; camera: string }) {
  const [why, setWhy] = useState<Why | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => void api.why(home.id, account, camera).then(setWhy, setError), [home.id, account, camera]);
  if (error !== null) return <Alert>{sentenceFor(error)}</Alert>;
  if (!why) return null;
  const reason = REASONS[why.reason];
  const next = why.opens
    ? t('why.opens', { time: dayAndTime(Date.parse(why.opens), home.time_zone) })
    : why.allowed && why.until ? t('why.until', { time: dayAndTime(Date.parse(why.until), home.time_zone) }) : '';
  return (
    <p class={`why${why.allowed ? ' is-allowed' : ''}`} role="status">
      <Icon name={why.allowed ? 'check' : 'lock'} size={18} />
      <span>
        <strong>{t(why.allowed ? 'why.seesNow' : 'why.seesNotNow')}</strong> {reason ? t(reason) : why.sentence} {next}
      </span>
    </p>
  );
}

function DayPicker({ days, onChange }: { days: Day[]; onChange(days: Day[]): void }) {
  const toggle = (day: Day) =>
    onChange(DAYS.filter((one) => (one === day ? !days.includes(one) : days.includes(one))));
  return (
    <fieldset class="days">
      <legend>{t('rights.days')}</legend>
      <div class="days-list">
        {DAYS.map((day, index) => (
          <label key={day} class={days.includes(day) ? 'is-chosen' : ''}>
            <input type="checkbox" checked={days.includes(day)} onChange={() => toggle(day)} aria-label={weekday(index, 'long')} />
            <span aria-hidden="true">{weekday(index, 'short')}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/* What may be added to seeing; bringing pictures is a camera's own matter. */
const MORE = RIGHTS.filter((right): right is Exclude<Right, 'view' | 'publish'> => right !== 'view' && right !== 'publish');

function RightsPicker({ rights, onChange }: { rights: Right[]; onChange(rights: Right[]): void }) {
  /* Who may not look back has nothing to take along. */
  const change = (next: Right[]) => onChange(next.includes('history') ? next : next.filter((right) => right !== 'export'));
  return (
    <Ticks<Right> legend={t('rights.more')} ticked={rights} onChange={change}
      choices={MORE.map((value) => ({ value, label: t(`rights.may.${value}`), isPossible: value !== 'export' || rights.includes('history') }))} />
  );
}

interface RightsProps {
  home: Home;
  title: string;
  terms: Terms;
  save(terms: Terms): Promise<unknown>;
  onClose(): void;
  onDone(): Promise<void>;
  children?: ComponentChildren; // above the form
}

const sentenceOf = (error: unknown): string =>
  asProblem(error).name_ === 'bad-hours' ? t('rights.badHours')
    : asProblem(error).name_ === 'bad-time' ? t('rights.badTime') : sentenceFor(error);

export function RightsSheet({ home, title, terms, save: put, onClose, onDone, children }: RightsProps) {
  const zone = home.time_zone;
  const was = { begin: asField(terms.not_before, zone), end: asField(terms.not_after, zone) };
  const [rights, setRights] = useState(terms.rights);
  const [days, setDays] = useState<Day[]>(terms.days ?? [...DAYS]);
  const [from, setFrom] = useState(terms.from ?? '');
  const [to, setTo] = useState(terms.to === '24:00' ? '00:00' : terms.to ?? '');
  const [begin, setBegin] = useState(was.begin);
  const [end, setEnd] = useState(was.end);
  const { isBusy, error, run } = useSubmit();
  /* A moment that was not touched goes back as it came, to the second. */
  const wanted: Terms = {
    rights,
    days: days.length === 0 || days.length === DAYS.length ? null : days,
    from: from === '' && to === '' ? null : from || '00:00',
    to: from === '' && to === '' ? null : to || '24:00',
    not_before: begin === was.begin ? terms.not_before ?? null : begin || null,
    not_after: end === was.end ? terms.not_after ?? null : end || null,
  };
  const isLess = takesAway({ ...terms, ...was }, { ...wanted, begin, end });
  const save = () => void run(async () => {
    await put(wanted);
    await onDone();
    onClose();
  });
  return (
    <Sheet title={title} onClose={onClose}>
      {children}
      <form class="form" onSubmit={(event) => { event.preventDefault(); if (!isLess) save(); }} noValidate>
        {error !== null && <Alert>{sentenceOf(error)}</Alert>}
        {rights.includes('view') && <RightsPicker rights={rights} onChange={setRights} />}
        <DayPicker days={days} onChange={setDays} />
        <div class="pair">
          <TimeField label={t('rights.from')} type="time" value={from} onInput={setFrom} />
          <TimeField label={t('rights.to')} type="time" value={to} onInput={setTo} />
        </div>
        <p class="hint">{t('rights.overnight')}</p>
        <div class="pair is-days">
          <TimeField label={t('rights.notBefore')} type="datetime-local" value={begin} onInput={setBegin} />
          <TimeField label={t('rights.notAfter')} type="datetime-local" value={end} onInput={setEnd} />
        </div>
        {zone && <p class="hint">{t('rights.clock', { zone: zone.replace(/_/g, ' ') })}</p>}
        {isLess
          ? (
            <>
              <ul class="consequences">
                <li>{t('rights.lessNow')}</li>
                <li>{t('cut.others')}</li>
              </ul>
              <HoldButton label={t('rights.less')} isBusy={isBusy} onHeld={save} />
            </>
          )
          : <button class="button is-primary" aria-disabled={isBusy}>{t('rights.save')}</button>}
      </form>
    </Sheet>
  );
}

/* The words of a cell, which open its sheet. */
export function TermsButton({ home, person, camera, terms, groups, onOpen }: {
  home: Home;
  person: Person;
  camera: Camera;
  terms: Terms;
  groups: string[]; // through which he may see it as well
  onOpen(): void;
}) {
  const words = [
    terms.rights.length > 0 ? inWords(terms, home.time_zone) : '',
    groups.length > 0 ? t('rights.byGroup', { groups: list(groups) }) : '',
  ].filter(Boolean).join(' · ') || t('rights.none');
  return (
    <button type="button" class="terms" onClick={onOpen}
      aria-label={t('rights.open', { person: person.name, camera: camera.name, words })}>
      <Icon name={terms.rights.length > 0 || groups.length > 0 ? 'clock' : 'question'} size={16} /> <span>{words}</span>
    </button>
  );
}
