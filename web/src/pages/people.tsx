/* Who belongs to this home, and which camera each may see and hear. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import { ROLES, type Camera, type Group, type Home, type Person, type Right, type Role, type Terms } from '../api/types';
import { list, t } from '../i18n';
import type { HomeData } from '../state/home';
import { hrefOf } from '../state/route';
import { useStore } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, MIN_PASSWORD, sentenceFor, useAsked, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';
import { CutSheet } from './cut';
import { RightsSheet, TermsButton, WhyNow } from './rights';

const termsOf = (person: Person, camera: string): Terms =>
  person.cameras.find((one) => one.camera === camera) ?? { rights: [] };
const rightsOf = (person: Person, camera: string): Right[] => termsOf(person, camera).rights;

function roleChoices() {
  return ROLES.map((value) => ({ value, label: t(`role.${value}`), what: t(`role.${value}.what`) }));
}

function sentenceOf(error: unknown): string {
  const { name_ } = asProblem(error);
  if (name_ === 'last-owner') return t('people.lastOwner');
  if (name_ === 'name-taken') return t('people.nameTaken');
  return sentenceFor(error);
}

/* Four groups of letters that can't be mistaken for others: about 79 bits. */
function madeUpPassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const picks: string[] = [];
  while (picks.length < 16) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    if (byte! < 248) picks.push(letters[byte! % 31]!);
  }
  return picks.join('').replace(/(.{4})(?=.)/g, '$1-');
}

function AddSheet({ home, onClose, onAdded }: { home: Home; onClose(): void; onAdded(): Promise<void> }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [isMadeUp, setIsMadeUp] = useState(false);
  const [role, setRole] = useState<Role>('adult');
  const [hasTried, setHasTried] = useState(false);
  const { isBusy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    setHasTried(true);
    if (name.trim() === '' || password.length < MIN_PASSWORD) return;
    void run(async () => {
      await api.addPerson(home.id, name.trim(), password, role);
      notify(t('people.added', { name: name.trim() }));
      await onAdded();
      onClose();
    });
  };
  return (
    <Sheet title={t('people.add')} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && <Alert>{sentenceOf(error)}</Alert>}
        <Field label={t('people.name')} hint={t('people.nameHint')} value={name} onInput={setName} isFocused
          error={hasTried && name.trim() === '' ? t('field.required') : ''} />
        <Field label={t('people.firstPassword')} hint={t('people.firstPasswordHint')} value={password} onInput={setPassword}
          type="password" autocomplete="new-password" isMadeUp={isMadeUp}
          error={hasTried && password.length < MIN_PASSWORD ? t('field.short') : ''} />
        <button type="button" class="button is-small" onClick={() => { setPassword(madeUpPassword()); setIsMadeUp(true); }}>{t('people.make')}</button>
        <Choices legend={t('people.role')} value={role} onChange={(value) => setRole(value)} choices={roleChoices()} />
        <button class="button is-primary" aria-disabled={isBusy}>{t('people.addDo')}</button>
      </form>
    </Sheet>
  );
}

/* Taking hearing or speaking away, which leaves the picture. */
function MuteSheet({ home, person, camera, right, onClose, onDone }: {
  home: string;
  person: Person;
  camera: Camera;
  right: 'listen' | 'talk';
  onClose(): void;
  onDone(): Promise<void>;
}) {
  const { isBusy, error, run } = useSubmit();
  const words = { person: person.name, camera: camera.name };
  return (
    <Sheet title={t(right === 'listen' ? 'mute.title' : 'hush.title', words)} onClose={onClose}>
      <ul class="consequences">
        <li>{t(right === 'listen' ? 'mute.now' : 'hush.now')}</li>
        <li>{t('mute.picture', words)}</li>
        <li>{t('cut.others')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('cut.do')} isBusy={isBusy} onHeld={() => void run(async () => {
        const rest = rightsOf(person, camera.id).filter((one) => one !== right);
        await api.setTerms(home, person.account, camera.id, { ...termsOf(person, camera.id), rights: rest });
        await onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function RemoveSheet({ home, person, onClose, onDone }: { home: Home; person: Person; onClose(): void; onDone(): Promise<void> }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('people.removeTitle', { name: person.name, home: home.name })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('people.removeNow', { name: person.name })}</li>
        <li>{t('people.removeRights')}</li>
        <li>{t('people.removeOthers')}</li>
      </ul>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <HoldButton label={t('people.removeDo')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.removePerson(home.id, person.account);
        await onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function PersonSheet({ home, person, onClose, onChanged, onRemove }: {
  home: Home;
  person: Person;
  onClose(): void;
  onChanged(): Promise<void>;
  onRemove(): void;
}) {
  const { error, run } = useSubmit();
  const change = (role: Role) => void run(async () => {
    await api.setRole(home.id, person.account, role);
    await onChanged();
  });
  return (
    <Sheet title={person.name} onClose={onClose}>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <Choices legend={t('people.change', { name: person.name })} value={person.role} onChange={change} choices={roleChoices()} />
      <button type="button" class="button is-danger-quiet" onClick={onRemove}><Icon name="trash" /> {t('people.remove')}</button>
    </Sheet>
  );
}

function about(person: Person, cameras: Camera[]): string {
  const watched = cameras.filter((camera) => person.watching.includes(camera.id)).map((camera) => camera.name);
  if (watched.length > 0) return t('people.watching', { cameras: list(watched) });
  return person.sessions > 0 ? t('people.signedIn', { count: person.sessions }) : t('people.notSignedIn');
}

const SWITCHES = {
  view: { icon: 'eye', label: 'people.may' },
  listen: { icon: 'sound', label: 'people.mayHear' },
  talk: { icon: 'mic', label: 'people.maySpeak' },
} as const;

function RightSwitch({ person, camera, right, isBusy, onAllow, onCut }: {
  person: Person;
  camera: Camera;
  right: keyof typeof SWITCHES;
  isBusy: boolean; // another is on its way: what is added is added to what it leaves
  onAllow(): void;
  onCut(): void;
}) {
  const rights = rightsOf(person, camera.id);
  const isOn = rights.includes(right);
  const isPossible = right === 'view' || rights.includes('view'); // who may not see may neither hear nor speak
  const { icon, label } = SWITCHES[right];
  return (
    <button
      type="button" role="switch" aria-checked={isOn} aria-disabled={isBusy} class="switch" disabled={!isPossible}
      aria-label={t(label, { person: person.name, camera: camera.name })}
      onClick={isOn ? onCut : onAllow}
    >
      <Icon name={icon} size={18} />
      <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
      <span class="switch-word" aria-hidden="true">{t(isOn ? 'people.yes' : 'people.no')}</span>
    </button>
  );
}

type Open =
  | { kind: 'add' }
  | { kind: 'person'; account: string }
  | { kind: 'remove'; account: string }
  | { kind: 'cut' | 'mute' | 'hush' | 'terms' | 'why'; account: string; camera: Camera }
  | null;

export function People({ data, home, account }: { data: HomeData; home: Home; account: string }) {
  const cameras = useStore(data.cameras) ?? [];
  const viewers = useStore(data.viewers);
  const [groups, setGroups] = useState<Group[]>([]);
  const [open, setOpen] = useState<Open>(null);
  const { isBusy, error, setError, run } = useSubmit();
  const [people, load] = useAsked<Person[]>(() => api.people(home.id), setError);
  useEffect(() => void load(), [home.id, viewers]);
  useEffect(() => void api.groups(home.id).then(setGroups, setError), [home.id]);

  const close = () => setOpen(null);
  const named = (id: string) => people?.find((person) => person.account === id);
  const person = open && 'account' in open ? named(open.account) : undefined;
  const allow = (who: Person, camera: Camera, right: Right) => void run(async () => {
    const terms = termsOf(who, camera.id);
    await api.setTerms(home.id, who.account, camera.id, { ...terms, rights: [...terms.rights, right] });
    await load();
  });
  const switches = (who: Person, camera: Camera) => who.role === 'owner'
    ? <span class="always"><Icon name="check" size={16} /> {t('people.always')}</span>
    : (
      <span class="cell">
        <span class="switches">
        <RightSwitch person={who} camera={camera} right="view" isBusy={isBusy} onAllow={() => allow(who, camera, 'view')}
          onCut={() => setOpen({ kind: 'cut', account: who.account, camera })} />
        <RightSwitch person={who} camera={camera} right="listen" isBusy={isBusy} onAllow={() => allow(who, camera, 'listen')}
          onCut={() => setOpen({ kind: 'mute', account: who.account, camera })} />
        {camera.talk && (
          <RightSwitch person={who} camera={camera} right="talk" isBusy={isBusy} onAllow={() => allow(who, camera, 'talk')}
            onCut={() => setOpen({ kind: 'hush', account: who.account, camera })} />
        )}
      </span>
      <TermsButton home={home} person={who} camera={camera} terms={termsOf(who, camera.id)}
        groups={groups.filter((one) => one.cameras.includes(camera.id) && one.people.some(({ account: whose }) => whose === who.account)).map(({ name }) => name)}
        onOpen={() => setOpen({ kind: rightsOf(who, camera.id).length > 0 ? 'terms' : 'why', account: who.account, camera })} />
      </span>
    );
  return (
    <Page title={t('people.title')} isWide about={t('people.intro', { home: home.name })} tools={
      <>
        <a class="button" href={hrefOf({ page: 'invitations', home: home.id })}><Icon name="key" /> {t('invite.title')}</a>
        <a class="button" href={hrefOf({ page: 'programs', home: home.id })}><Icon name="plug" /> {t('programs.title')}</a>
        <a class="button" href={hrefOf({ page: 'groups', home: home.id })}><Icon name="arrange" /> {t('groups.title')}</a>
        <button type="button" class="button is-primary" onClick={() => setOpen({ kind: 'add' })}>
          <Icon name="add" /> {t('people.add')}
        </button>
      </>
    }>
      {error !== null && <Alert>{sentenceOf(error)}</Alert>}
      <ul class="people">
        {people?.map((who) => (
          <li key={who.account} class="card person">
            <div class="person-head">
              <span class="avatar" aria-hidden="true">{[...who.name][0]?.toLocaleUpperCase()}</span>
              <div class="row-text">
                <h2>{who.name}{who.account === account && <span class="quiet"> · {t('people.you')}</span>}</h2>
                <p class="quiet">{t(`role.${who.role}`)} · {about(who, cameras)}</p>
              </div>
              <button type="button" class="icon-button" aria-label={t('people.change', { name: who.name })}
                onClick={() => setOpen({ kind: 'person', account: who.account })}><Icon name="edit" /></button>
            </div>
            {who.role === 'owner' ? <p class="person-all"><Icon name="eye" /> {t('people.seesAll')}</p> : cameras.length > 0 && (
              <div class="rights" role="group" aria-label={`${who.name}: ${t('people.sees')}`}>
                <h3>{t('people.sees')}</h3>
                <ul>
                  {cameras.map((camera) => (
                    <li key={camera.id}>
                      <span>{camera.name}</span>
                      {switches(who, camera)}
                    </li>
                  ))}
                </ul>
              </div>
            )}
          </li>
        ))}
      </ul>
      {people && cameras.length > 0 && (
        <div class="grid-scroll card" tabIndex={0} role="region" aria-label={t('people.grid')}>
          <table class="grid">
            <caption>{t('people.grid')}</caption>
            <thead>
              <tr><th scope="col">{t('people.camera')}</th>{people.map((who) => <th scope="col" key={who.account}>{who.name}</th>)}</tr>
            </thead>
            <tbody>
              {cameras.map((camera) => (
                <tr key={camera.id}>
                  <th scope="row">{camera.name}</th>
                  {people.map((who) => <td key={who.account}>{switches(who, camera)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open?.kind === 'add' && <AddSheet home={home} onClose={close} onAdded={load} />}
      {open?.kind === 'person' && person && (
        <PersonSheet home={home} person={person} onClose={close} onChanged={load}
          onRemove={() => setOpen({ kind: 'remove', account: person.account })} />
      )}
      {open?.kind === 'remove' && person && <RemoveSheet home={home} person={person} onClose={close} onDone={load} />}
      {open?.kind === 'cut' && person && (
        <CutSheet home={home.id} person={person} camera={open.camera} onClose={close} onDone={load} />
      )}
      {open?.kind === 'terms' && person && (
        <RightsSheet home={home} title={t('rights.title', { person: person.name, camera: open.camera.name })}
          terms={termsOf(person, open.camera.id)} onClose={close} onDone={load}
          save={(terms) => api.setTerms(home.id, person.account, open.camera.id, terms)}>
          <WhyNow home={home} account={person.account} camera={open.camera.id} />
        </RightsSheet>
      )}
      {open?.kind === 'why' && person && (
        <Sheet title={t('rights.title', { person: person.name, camera: open.camera.name })} onClose={close}>
          <WhyNow home={home} account={person.account} camera={open.camera.id} />
        </Sheet>
      )}
      {(open?.kind === 'mute' || open?.kind === 'hush') && person && (
        <MuteSheet home={home.id} person={person} camera={open.camera} right={open.kind === 'mute' ? 'listen' : 'talk'}
          onClose={close} onDone={load} />
      )}
    </Page>
  );
}
