/* Home: every camera this person may see, moving, in the order this person likes. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Camera, Home, Viewer } from '../api/types';
import { t, type Key } from '../i18n';
import { mediaSourceClass } from '../player/run';
import { isMultiplexed, STREAM_PLACES } from '../player/slots';
import { ways } from '../player/ways';
import type { HomeData } from '../state/home';
import { inOrder, storedOrder, storeOrder } from '../state/prefs';
import { hrefOf } from '../state/route';
import { server } from '../state/session';
import { useStore } from '../state/store';
import { announce, notify } from '../ui/announce';
import { Icon } from '../ui/icons';
import { HomePicker } from '../ui/home-picker';
import { later } from '../ui/later';
import { Page } from '../ui/page';
import { Tile } from './tile';
import { hasPictures, needsAttention, tileState, type TileState } from './tile-state';
import { usePicture } from './use-picture';

const STILL_WIDTH = 640;

const WatchersSheet = later(async () => (await import('../pages/watchers')).WatchersSheet);

interface CameraTileProps {
  camera: Camera;
  home: Home;
  account: string;
  isGone: boolean;
  viewers: Viewer[];
  tools: preact.ComponentChildren;
  onDismiss(): void;
  onViewers?: () => void;
}

export function CameraTile({ camera, home, account, isGone, viewers, tools, onDismiss, onViewers }: CameraTileProps) {
  const isOwner = home.role === 'owner';
  const { host, status } = usePicture(
    camera.home, camera.id, camera.streams.sub ? 'sub' : 'main', STILL_WIDTH, !isGone && hasPictures(camera));
  const state: TileState = isGone ? { kind: 'no-right' } : tileState(camera, status, isOwner);
  const others = viewers.filter((viewer) => viewer.account !== account).map((viewer) => viewer.name);
  const action =
    state.kind === 'wrong-password' && isOwner ? (
      <a class="button is-light" href={hrefOf({ page: 'edit', home: camera.home, camera: camera.id })}>
        {t('tile.changePassword')}
      </a>
    ) : state.kind === 'no-right' ? (
      <button type="button" class="button is-light" onClick={onDismiss}>{t('tile.dismiss')}</button>
    ) : null;
  return (
    <Tile
      name={camera.name} state={state} viewers={[...new Set(others)]} action={action} tools={tools}
      onViewers={isOwner ? onViewers : undefined}
      href={state.kind === 'no-right' || tools ? null : hrefOf({ page: 'camera', home: camera.home, camera: camera.id })}
    >
      <div class="picture" ref={host} />
    </Tile>
  );
}

/* Arrow keys walk the tiles as they lie on the wall: a TV's remote control is enough. */
function moveFocus(grid: HTMLElement, event: KeyboardEvent): void {
  const steps: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };
  const step = steps[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  const links = [...grid.querySelectorAll<HTMLElement>('.tile-open')];
  const from = links.indexOf(document.activeElement as HTMLElement);
  const [dx, dy] = step;
  if (from < 0) {
    links[0]?.focus();
  } else if (dx !== 0) {
    links[from + dx]?.focus();
  } else {
    const here = links[from]!.getBoundingClientRect();
    const rows = links
      .map((link) => ({ link, box: link.getBoundingClientRect() }))
      .filter(({ box }) => (box.top - here.top) * dy > here.height / 2)
      .sort((a, b) => Math.abs(a.box.top - here.top) - Math.abs(b.box.top - here.top)
        || Math.abs(a.box.left - here.left) - Math.abs(b.box.left - here.left));
    rows[0]?.link.focus();
  }
  event.preventDefault();
}

/* Why some tiles show single pictures here, where they do. */
function stillsWhy(count: number): Key | null {
  if (ways.whyNot(null, Date.now()) === null) return null; // WebRTC needs neither
  if (!mediaSourceClass()) return 'tile.stillsBrowser';
  return !isMultiplexed() && count > STREAM_PLACES ? 'tile.stillsConnections' : null;
}

function summary(cameras: Camera[]): string {
  const attention = cameras.filter(needsAttention).length;
  const about = attention === 0 ? t('wall.fine') : t('wall.attention', { count: attention });
  return `${t('wall.cameras', { count: cameras.length })} · ${about}`;
}

/* The order of the cameras and the means to change it by dragging or by buttons. */
function useOrder(account: string, home: string, cameras: Camera[]) {
  const [order, setOrder] = useState(() => storedOrder(account, home));
  useEffect(() => setOrder(storedOrder(account, home)), [account, home]);
  const sorted = inOrder(cameras, order);
  const move = (id: string, to: number) => {
    const ids = sorted.map((camera) => camera.id);
    const from = ids.indexOf(id);
    if (from < 0 || to < 0 || to >= ids.length || to === from) return;
    ids.splice(to, 0, ...ids.splice(from, 1));
    setOrder(ids);
    storeOrder(account, home, ids);
  };
  return { sorted, move };
}

function ArrangeTools({ name, index, count, onMove, onGrab }: {
  name: string;
  index: number;
  count: number;
  onMove(to: number): void;
  onGrab(event: PointerEvent): void;
}) {
  const step = (to: number) => {
    onMove(to);
    announce(t('wall.moved', { name, place: to + 1, count }));
  };
  return (
    <div class="arrange" onPointerDown={onGrab}>
      <button type="button" class="icon-button is-solid" disabled={index === 0}
        aria-label={t('wall.earlier', { name })} onClick={() => step(index - 1)}>
        <Icon name="back" />
      </button>
      <button type="button" class="icon-button is-solid" disabled={index === count - 1}
        aria-label={t('wall.later', { name })} onClick={() => step(index + 1)}>
        <Icon name="forward" />
      </button>
    </div>
  );
}

export function Wall({ data, home, homes, account }: { data: HomeData; home: Home; homes: Home[]; account: string }) {
  const cameras = useStore(data.cameras);
  const viewers = useStore(data.viewers);
  const gone = useStore(data.gone);
  const info = useStore(server);
  const [isArranging, setIsArranging] = useState(false);
  const [asked, setAsked] = useState<Camera | null>(null); // who watches it?
  const grid = useRef<HTMLUListElement>(null);
  const { sorted, move } = useOrder(account, home.id, cameras ?? []);
  const placeOf = useRef<(id: string) => number>(() => -1);
  placeOf.current = (id) => sorted.findIndex((camera) => camera.id === id);
  const moveNow = useRef(move);
  moveNow.current = move;

  const grab = (id: string) => (event: PointerEvent) => {
    if ((event.target as HTMLElement).closest('button')) return;
    event.preventDefault();
    const tile = (event.currentTarget as HTMLElement).closest('li');
    tile?.classList.add('is-dragged');
    const follow = (at: PointerEvent) => {
      const under = document.elementFromPoint(at.clientX, at.clientY)?.closest<HTMLElement>('li[data-camera]');
      const to = under?.dataset.camera;
      if (to && to !== id) moveNow.current(id, placeOf.current(to));
    };
    const drop = () => {
      tile?.classList.remove('is-dragged');
      removeEventListener('pointermove', follow);
      removeEventListener('pointerup', drop);
      removeEventListener('pointercancel', drop);
    };
    addEventListener('pointermove', follow);
    addEventListener('pointerup', drop);
    addEventListener('pointercancel', drop);
  };

  if (!cameras) return <Page title={home.name} isWide />;
  const isOwner = home.role === 'owner';
  const stills = stillsWhy(cameras.length);
  const known = cameras.filter((camera) => !gone.has(camera.id));
  return (
    <Page
      title={home.name} isWide
      about={known.length > 0 ? summary(known) : undefined}
      tools={(
        <>
          <HomePicker home={home} homes={homes} />
          {isOwner && sorted.length > 0 && !isArranging && (
            <a class="button is-compact wall-add" href={hrefOf({ page: 'add', home: home.id })}><Icon name="add" /> <span>{t('nav.add')}</span></a>
          )}
          {sorted.length > 1 && (
            <button type="button" class={`button is-compact${isArranging ? ' is-primary' : ''}`}
              onClick={() => setIsArranging(!isArranging)}>
              <Icon name={isArranging ? 'check' : 'arrange'} /> <span>{t(isArranging ? 'do.done' : 'wall.arrange')}</span>
            </button>
          )}
        </>
      )}
    >
      {isArranging && <p class="hint">{t('wall.arrangeHelp')}</p>}
      {stills && known.length > 0 && <p class="hint">{t(stills)}</p>}
      {info?.demo && !isArranging && isOwner && <p class="hint">{t('wall.demo')}</p>}
      {sorted.length === 0 && (
        <div class="empty">
          <Icon name="picture" size={40} />
          <h2>{t('wall.empty')}</h2>
          <p>{t(isOwner ? 'wall.emptyOwner' : 'wall.emptyMember')}</p>
          {isOwner && <a class="button is-primary" href={hrefOf({ page: 'add', home: home.id })}>{t('nav.add')}</a>}
        </div>
      )}
      <ul class={`wall has-${Math.min(sorted.length, 16)}${isArranging ? ' is-arranging' : ''}`} ref={grid}
        onKeyDown={(event) => grid.current && !isArranging && moveFocus(grid.current, event)}>
        {sorted.map((camera, index) => (
          <li key={camera.id} data-camera={camera.id}>
            <CameraTile
              camera={camera} home={home} account={account} isGone={gone.has(camera.id)}
              viewers={viewers.get(camera.id) ?? []} onDismiss={() => data.forget(camera.id)}
              onViewers={() => void WatchersSheet.fetch().then(() => setAsked(camera), () => notify(t('later.why')))}
              tools={isArranging && (
                <ArrangeTools name={camera.name} index={index} count={sorted.length}
                  onMove={(to) => move(camera.id, to)} onGrab={grab(camera.id)} />
              )}
            />
          </li>
        ))}
      </ul>
      {asked && <WatchersSheet home={home} camera={asked} data={data} onClose={() => setAsked(null)} />}
    </Page>
  );
}
