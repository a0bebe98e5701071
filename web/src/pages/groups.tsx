/* Groups of cameras: making, naming, filling and removing them, and who may see a whole group. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Camera, Group, Home, Person, Terms } from '../api/types';
import { list, t } from '../i18n';
import type { HomeData } from '../state/home';
import { useStore } from '../state/store';
import { Alert, Field, sentenceFor, useAsked, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';
import { Ticks } from '../ui/ticks';
import { RightsSheet } from './rights';
import { inWords } from './terms';

const termsOf = (group: Group, person: Person): Terms | undefined => group.people.find((one) => one.account === person.account);
const namesOf = (ids: string[], cameras: Camera[]): string => list(ids.map((id) => cameras.find((camera) => camera.id === id)?.name ?? id));

const sentenceOf = (error: unknown): string =>
  asProblem(error).name_ === 'too-many-groups' ? t('groups.tooMany') : sentenceFor(error);

/* Making one, or changing one: what leaves a group is the cut for who saw it through it. */
function GroupSheet({ home, group, cameras, onClose, onDone, onRemove }: {
  home: Home;
  group: Group | null;
  cameras: Camera[];
  onClose(): void;
  onDone(): Promise<void>;
  onRemove?: () => void;
}) {
  const [name, setName] = useState(group?.name ?? '');
  const [chosen, setChosen] = useState(group?.cameras ?? []);
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const gone = (group?.cameras ?? []).filter((id) => !chosen.includes(id));
  const save = () => {
    setFault(name.trim() === '' ? t('field.required') : '');
    if (name.trim() === '') return;
    void run(async () => {
      if (group) await api.changeGroup(home.id, group.id, { name: name.trim(), cameras: chosen });
      else await api.addGroup(home.id, { name: name.trim(), cameras: chosen });
      await onDone();
      onClose();
    });
  };
  const isLess = gone.length > 0 && (group?.people.length ?? 0) > 0;
  return (
    <Sheet title={group ? group.name : t('groups.new')} onClose={onClose}>
      <form class="form" onSubmit={(event) => { event.preventDefault(); if (!isLess) save(); }} noValidate>
        {error !== null && <Alert>{sentenceOf(error)}</Alert>}
        <Field label={t('groups.name')} value={name} onInput={setName} error={fault} placeholder={t('groups.nameExample')} isFocused={!group} />
        <Ticks legend={t('groups.cameras')} ticked={chosen} onChange={setChosen}
          choices={cameras.map(({ id, name: label }) => ({ value: id, label }))} />
        {isLess
          ? (
            <>
              <ul class="consequences">
                <li>{t('groups.lessNow', { cameras: namesOf(gone, cameras) })}</li>
                <li>{t('cut.others')}</li>
              </ul>
              <HoldButton label={t('rights.less')} isBusy={isBusy} onHeld={save} />
            </>
          )
          : <button class="button is-primary" aria-disabled={isBusy}>{t(group ? 'do.save' : 'groups.do')}</button>}
        {onRemove && <button type="button" class="button is-danger-quiet" onClick={onRemove}><Icon name="trash" /> {t('groups.remove')}</button>}
      </form>
    </Sheet>
  );
}

/* Something that is over at once for those who have it by the group: what, then press and hold. */
function EndSheet({ title, now, label, end, onClose, onDone }: {
  title: string;
  now: string;
  label: string;
  end(): Promise<void>;
  onClose(): void;
  onDone(): Promise<void>;
}) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={title} onClose={onClose}>
      <ul class="consequences">
        <li>{now}</li>
        <li>{t('groups.direct')}</li>
        <li>{t('cut.others')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={label} isBusy={isBusy} onHeld={() => void run(async () => {
        await end();
        await onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function Members({ home, group, people, isBusy, onAllow, onCut, onTerms }: {
  home: Home;
  group: Group;
  people: Person[];
  isBusy: boolean;
  onAllow(person: Person): void;
  onCut(person: Person): void;
  onTerms(person: Person): void;
}) {
  return (
    <ul class="group-people">
      {people.map((person) => {
        const terms = termsOf(group, person);
        const label = t('people.may', { person: person.name, camera: group.name });
        return (
          <li key={person.account}>
            <span>{person.name}</span>
            <button type="button" role="switch" aria-checked={terms !== undefined} aria-disabled={isBusy} class="switch" aria-label={label}
              onClick={() => (terms ? onCut(person) : onAllow(person))}>
              <Icon name="eye" size={18} />
              <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
            </button>
            {terms && (
              <button type="button" class="terms" onClick={() => onTerms(person)}
                aria-label={t('rights.open', { person: person.name, camera: group.name, words: inWords(terms, home.time_zone) })}>
                <Icon name="clock" size={16} /> <span>{inWords(terms, home.time_zone)}</span>
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

type Open = { kind: 'new' } | { kind: 'edit' | 'remove'; group: string } | { kind: 'cut' | 'terms'; group: string; account: string } | null;

export function Groups({ data, home }: { data: HomeData; home: Home }) {
  const cameras = useStore(data.cameras) ?? [];
  const [people, setPeople] = useState<Person[]>([]);
  const [open, setOpen] = useState<Open>(null);
  const { isBusy, error, setError, run } = useSubmit();
  const [groups, load] = useAsked<Group[]>(() => api.groups(home.id), setError);
  useEffect(() => void load(), [home.id]);
  useEffect(() => void api.people(home.id).then(setPeople, setError), [home.id]);
  const close = () => setOpen(null);
  const others = people.filter((person) => person.role !== 'owner');
  const group = open && 'group' in open ? groups?.find((one) => one.id === open.group) : undefined;
  const person = open && 'account' in open ? people.find((one) => one.account === open.account) : undefined;
  const terms = group && person && termsOf(group, person);
  const allow = (one: Group, who: Person) => void run(async () => {
    await api.setGroupTerms(home.id, who.account, one.id, { rights: ['view'] });
    await load();
  });
  return (
    <Page title={t('groups.title')} about={t('groups.intro')} back={`#/people/${encodeURIComponent(home.id)}`} tools={
      <button type="button" class="button is-primary" onClick={() => setOpen({ kind: 'new' })}><Icon name="add" /> {t('groups.new')}</button>
    }>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      {groups?.length === 0 && <p class="quiet">{t('groups.none')}</p>}
      {groups?.map((one) => (
        <section key={one.id} class="card" aria-labelledby={`group-${one.id}`}>
          <div class="person-head">
            <div class="row-text">
              <h2 id={`group-${one.id}`}>{one.name}</h2>
              <p class="quiet">{one.cameras.length > 0 ? namesOf(one.cameras, cameras) : t('groups.empty')}</p>
            </div>
            <button type="button" class="icon-button" aria-label={t('groups.change', { name: one.name })}
              onClick={() => setOpen({ kind: 'edit', group: one.id })}><Icon name="edit" /></button>
          </div>
          {others.length === 0 ? <p class="quiet">{t('groups.nobody')}</p> : (
            <Members home={home} group={one} people={others} isBusy={isBusy} onAllow={(who) => allow(one, who)}
              onCut={(who) => setOpen({ kind: 'cut', group: one.id, account: who.account })}
              onTerms={(who) => setOpen({ kind: 'terms', group: one.id, account: who.account })} />
          )}
        </section>
      ))}
      {open?.kind === 'new' && <GroupSheet home={home} group={null} cameras={cameras} onClose={close} onDone={load} />}
      {open?.kind === 'edit' && group && (
        <GroupSheet home={home} group={group} cameras={cameras} onClose={close} onDone={load}
          onRemove={() => setOpen({ kind: 'remove', group: group.id })} />
      )}
      {open?.kind === 'remove' && group && (
        <EndSheet title={t('groups.removeTitle', { name: group.name })} now={t('groups.removeNow')} label={t('groups.removeDo')}
          end={() => api.removeGroup(home.id, group.id)} onClose={close} onDone={load} />
      )}
      {open?.kind === 'cut' && group && person && (
        <EndSheet title={t('cut.title', { person: person.name, camera: group.name })} now={t('cut.now')} label={t('cut.do')}
          end={() => api.cutGroup(home.id, person.account, group.id)} onClose={close} onDone={load} />
      )}
      {open?.kind === 'terms' && group && person && terms && (
        <RightsSheet home={home} title={t('rights.title', { person: person.name, camera: group.name })} terms={terms}
          save={(wanted) => api.setGroupTerms(home.id, person.account, group.id, wanted)} onClose={close} onDone={load} />
      )}
    </Page>
  );
}
