/* The shell: who is signed in, where they are, and the way from page to page. */

import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Home, Session } from './api/types';
import { t, useLanguage } from './i18n';
import { CameraPage } from './pages/camera';
import { SetupNeeded, Setup, SignIn } from './pages/enter';
import { HomeData } from './state/home';
import { hrefOf, route, type Route } from './state/route';
import { server, session } from './state/session';
import { useStore } from './state/store';
import { Announcer } from './ui/announce';
import { Again } from './ui/again';
import { Icon, Mark, type IconName } from './ui/icons';
import { HomePicker } from './ui/home-picker';
import { early, later, whenIdle, whenNear } from './ui/later';
import { Page } from './ui/page';
import { HeldOff } from './wall/held-off';
import { Wall } from './wall/wall';

const HIDDEN_MS = 30_000;

/* What is not among the first things that anybody looks at. */
const AddCamera = later(async () => (await import('./pages/camera-form')).AddCamera);
const EditCamera = later(async () => (await import('./pages/camera-form')).EditCamera);
const Groups = later(async () => (await import('./pages/groups')).Groups);
const Homes = later(async () => (await import('./pages/homes')).Homes);
const House = later(async () => (await import('./pages/house')).House);
const Invitations = later(async () => (await import('./pages/invitations')).Invitations);
const Join = later(async () => (await import('./pages/join')).Join);
const Look = later(async () => (await import('./pages/look')).Look);
const Passkeys = later(async () => (await import('./pages/passkeys')).Passkeys);
const People = later(async () => (await import('./pages/people')).People);
const Programs = later(async () => (await import('./pages/programs')).Programs);
const Publish = later(async () => (await import('./pages/publish')).Publish);
const Safety = later(async () => (await import('./pages/safety')).Safety);
const Sessions = later(async () => (await import('./pages/sessions')).Sessions);
const Settings = later(async () => (await import('./pages/settings')).Settings);

const FETCHED: Partial<Record<Route['page'], { fetch(): Promise<void> }>> = {
  add: AddCamera, edit: EditCamera, groups: Groups, homes: Homes, house: House, invitations: Invitations, passkeys: Passkeys, people: People, programs: Programs, publish: Publish,
  safety: Safety, sessions: Sessions, settings: Settings, welcome: Passkeys,
};

/* Fetches pages before they are asked for: at a quiet moment those that a person's bar leads to, and
 * each as soon as somebody points at a link to it. */
function useEarly(isOwner: boolean, isOperator: boolean): void {
  useEffect(() => whenNear((page) => early(FETCHED[page])), []);
  useEffect(() => whenIdle([...(isOwner ? [People, Safety, AddCamera, EditCamera, Invitations] : []),
    ...(isOperator ? [Homes] : []), Settings, Sessions, Passkeys]), [isOwner, isOperator]);
}

/* The data of one home, connected while the tab is in view. */
function useHomeData(home: string | null): HomeData | null {
  const [data, setData] = useState<HomeData | null>(null);
  useEffect(() => {
    if (home === null) {
      setData(null);
      return undefined;
    }
    const mine = new HomeData(home);
    let isOpen = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    mine.open();
    setData(mine);
    const onVisibility = () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => { isOpen = false; mine.close(); }, HIDDEN_MS);
      else if (!isOpen) {
        isOpen = true;
        mine.open();
      }
    };
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      clearTimeout(timer);
      mine.close();
    };
  }, [home]);
  return data?.home === home ? data : null;
}

interface NavItem {
  to: Route;
  label: string;
  icon: IconName;
  isHere: boolean;
}

function navItems(at: Route, home: Home | null, isOperator: boolean): NavItem[] {
  const items: NavItem[] = [];
  const add = (to: Route, label: string, icon: IconName, pages: Route['page'][] = [to.page]) =>
    items.push({ to, label, icon, isHere: pages.includes(at.page) });
  if (home) {
    add({ page: 'wall', home: home.id }, t('nav.home'), 'home', ['wall', 'camera', 'start']);
    if (home.role === 'owner') {
      add({ page: 'add', home: home.id }, t('nav.add'), 'add');
  add({ page: 'people', home: home.id }, t('nav.people'), 'people', ['people', 'invitations', 'programs', 'groups']);
      add({ page: 'safety', home: home.id }, t('nav.safety'), 'safety');
    }
  }
  if (isOperator) add({ page: 'homes' }, t('nav.homes'), 'homes', home ? ['homes'] : ['homes', 'start']);
  add({ page: 'settings' }, t('nav.settings'), 'settings', ['settings', 'sessions', 'passkeys', 'house']);
  return items;
}

function Navigation({ at, home, homes, isOperator }: { at: Route; home: Home | null; homes: Home[]; isOperator: boolean }) {
  return (
    <nav class="nav" aria-label={t('nav.label')}>
      <a class="nav-brand" href={hrefOf({ page: 'start' })} aria-hidden="true" tabIndex={-1}>
        <Mark /> <span>{t('app.name')}</span>
      </a>
      <ul>
        {navItems(at, home, isOperator).map(({ to, label, icon, isHere }) => (
          <li key={to.page} class={`is-${to.page}`}>
            <a href={hrefOf(to)} aria-current={isHere ? 'page' : undefined}>
              <Icon name={icon} size={22} /> <span>{label}</span>
            </a>
          </li>
        ))}
      </ul>
      <HomePicker home={home} homes={homes} />
    </nav>
  );
}

function Nothing({ back, isCamera = false }: { back: Route; isCamera?: boolean }) {
  return (
    <Page title={t(isCamera ? 'camera.gone' : 'error.notFound')} back={hrefOf(back)}>
      {isCamera && <p class="quiet">{t('camera.goneHow')}</p>}
    </Page>
  );
}

function HomePage({ at, home, homes, data, account }: { at: Route; home: Home; homes: Home[]; data: HomeData; account: string }) {
  const cameras = useStore(data.cameras);
  const isOwner = home.role === 'owner';
  const wall: Route = { page: 'wall', home: home.id };
  const isOfPeople = ['people', 'invitations', 'programs', 'groups', 'safety'].includes(at.page);
  if (home.suspended && !(isOwner && isOfPeople)) return <HeldOff home={home} held={home.suspended} />;
  if (at.page === 'camera' || at.page === 'edit' || at.page === 'publish') {
    const camera = cameras?.find((one) => one.id === at.camera);
    if (!cameras) return <Page title={home.name} isWide />;
    const mayPublish = isOwner || camera?.rights?.includes('publish');
    if (!camera || (at.page === 'edit' && !isOwner) || (at.page === 'publish' && !mayPublish)) return <Nothing back={wall} isCamera />;
    if (at.page === 'publish') return <Publish key={camera.id} camera={camera} />;
    return at.page === 'edit' ? <EditCamera key={camera.id} data={data} camera={camera} />
      : <CameraPage key={camera.id} data={data} camera={camera} home={home} account={account} />;
  }
  if (at.page === 'add' || at.page === 'people' || at.page === 'invitations' || at.page === 'programs' || at.page === 'groups' || at.page === 'safety') {
    if (!isOwner) return <Nothing back={wall} />;
    if (at.page === 'invitations') return <Invitations data={data} home={home} />;
    if (at.page === 'groups') return <Groups data={data} home={home} />;
    if (at.page === 'programs') return <Programs data={data} home={home} />;
    if (at.page === 'safety') return <Safety data={data} home={home} />;
    return at.page === 'add' ? <AddCamera data={data} home={home} /> : <People data={data} home={home} account={account} />;
  }
  return <Wall data={data} home={home} homes={homes} account={account} />;
}

function SignedIn({ value }: { value: Session }) {
  const at = useStore(route);
  const { account, homes } = value;
  const members = homes.filter((home) => home.role !== null);
  const [lastHome, setLastHome] = useState<string | null>(null);
  const asked = 'home' in at ? at.home : null;
  const home = members.find((one) => one.id === (asked ?? lastHome)) ?? (asked === null ? members[0] : undefined) ?? null;
  useEffect(() => {
    if (home) setLastHome(home.id);
  }, [home?.id]);
  const data = useHomeData(home?.id ?? null);
  useEarly(home?.role === 'owner', account.is_operator);

  const page = () => {
    if (at.page === 'settings') return <Settings session={value} />;
    if (at.page === 'sessions') return <Sessions />;
    if (at.page === 'passkeys' || at.page === 'welcome') return <Passkeys key={at.page} isFirst={at.page === 'welcome'} />;
    if (at.page === 'homes' || (!home && asked === null && account.is_operator))
      return account.is_operator ? <Homes /> : <Nothing back={{ page: 'start' }} />;
    if (!home) return <Nothing back={{ page: 'start' }} />;
    if (at.page === 'house') return <House key={home.id} home={home} session={value} />;
    return data && <HomePage at={at} home={home} homes={members} data={data} account={account.id} />;
  };
  return (
    <div class={`shell is-${at.page}`}>
      <Navigation at={at} home={home ?? members[0] ?? null} homes={members} isOperator={account.is_operator} />
      {data && <Reachability data={data} />}
      {page()}
      <Again />
    </div>
  );
}

function Reachability({ data }: { data: HomeData }) {
  const isReachable = useStore(data.isReachable);
  return isReachable ? null : <p class="banner" role="status"><Icon name="plug" /> {t('app.offline')}</p>;
}

function App() {
  useLanguage();
  const state = useStore(session);
  const at = useStore(route);
  const info = useStore(server);
  const [signsIn, setSignsIn] = useState(false); // for an invitation that is looked at again then
  const body = () => {
    if (at.page === 'look') return <Look key={at.secret} secret={at.secret} />;
    if (state.kind === 'loading') return <main id="content" class="door" aria-busy="true"><p class="unseen">{t('app.loading')}</p></main>;
    if (state.kind === 'offline')
      return <main id="content" class="door"><div class="door-card"><Mark size={56} /><p role="status">{t('app.offline')}</p></div></main>;
    if (at.page === 'join' && !(state.kind === 'signed-out' && signsIn))
      return <Join token={at.token} session={state.kind === 'signed-in' ? state.session : null} onSignIn={() => setSignsIn(true)} />;
    if (state.kind === 'signed-in') return <SignedIn value={state.session} />;
    if (at.page === 'setup') return <Setup token={at.token} />;
    if (info?.setup_needed) return <SetupNeeded />;
    return <SignIn hasEnded={state.hasEnded} />;
  };
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>('main h1, main .tile-open, main input')?.focus();
      }}>{t('app.skip')}</a>
      {body()}
      <Announcer />
    </>
  );
}

export const show = (place: HTMLElement): void => render(<App />, place);
