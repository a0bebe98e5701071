/* One camera, large: its main stream, who watches it, and what can be done with the picture. */

import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Camera, Home, StreamName, TalkInfo, Viewer } from '../api/types';
import { duration, number, shortTime, t } from '../i18n';
import { codecFamily } from '../player/codec';
import type { Picture, PictureStats, SoundStatus } from '../player/picture';
import { protocolName } from '../player/slots';
import type { HomeData } from '../state/home';
import { inOrder, storedOrder } from '../state/prefs';
import { go, hrefOf } from '../state/route';
import { createStore, useStore, useTick } from '../state/store';
import { notify } from '../ui/announce';
import { Choices, sentenceFor } from '../ui/form';
import { Icon, type IconName } from '../ui/icons';
import { later } from '../ui/later';
import { Page } from '../ui/page';
import { spokenState, StateChip, useSpokenChanges, Veil } from '../wall/tile';
import { hasPictures, hidesPicture, isOld, isVeiled, LOOKS, tileState, type TileState } from '../wall/tile-state';
import { usePicture } from '../wall/use-picture';
import { CutSheet } from './cut';
import { maySpeakTo, TalkButton } from './talk';
import { useZoom } from './zoom';

const STILL_WIDTH = 1280;

const ShareSheet = later(async () => (await import('./share')).ShareSheet);
const WatchersSheet = later(async () => (await import('./watchers')).WatchersSheet);

const SOUND_NAMES = { pcmu: 'G.711', pcma: 'G.711', aac: 'AAC', opus: 'Opus' };

/* Cameras are heard once somebody asked for it; for this visit, and never of itself. */
const hears = createStore(false);

/* Sound that there is, and that we may hear. */
function soundOf(camera: Camera): NonNullable<Camera['sound']> | null {
  return camera.rights?.includes('listen') ? camera.sound ?? null : null;
}

function useSound(picture: RefObject<Picture>, camera: Camera, isGone: boolean): SoundStatus {
  const [status, setStatus] = useState<SoundStatus>('off');
  const isWanted = useStore(hears);
  const codec = isWanted && !isGone ? soundOf(camera)?.codec ?? null : null;
  useEffect(() => {
    const mine = picture.current;
    if (!mine) return undefined;
    mine.onSound = setStatus;
    mine.setSound(codec);
    setStatus(mine.sound);
    return () => { mine.onSound = () => undefined; };
  }, [camera.home, camera.id, isGone, codec]);
  return status;
}

/* The session that pictures come by is made for speech too, where there may be any. */
function useSpeech(picture: RefObject<Picture>, camera: Camera, isGone: boolean): boolean {
  const maySpeak = maySpeakTo(camera) && !isGone;
  useEffect(() => picture.current?.setMaySpeak(maySpeak), [camera.home, camera.id, maySpeak]);
  return maySpeak;
}

function Tool({ icon, label, onClick, isOn }: { icon: IconName; label: string; onClick(): void; isOn?: boolean }) {
  return (
    <button type="button" class="tool" onClick={onClick} title={label} {...(isOn === undefined ? {} : { 'aria-pressed': isOn })}>
      <Icon name={icon} size={22} />
      <span>{label}</span>
    </button>
  );
}

function fileName(camera: Camera, takenMs: number | null): string {
  const time = new Date(takenMs ?? Date.now()).toISOString().slice(0, 19).replace(/[T:]/g, '-');
  return `${camera.name.replace(/[^\p{L}\p{N}]+/gu, '-')}-${time}.png`;
}

async function saveStill(picture: Picture | null, camera: Camera): Promise<void> {
  const taken = await picture?.grab();
  if (!taken) {
    notify(t('camera.noPicture'));
    return;
  }
  const url = URL.createObjectURL(taken.blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(camera, taken.takenMs);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  notify(t('camera.saved'));
}

async function copyStill(picture: Picture | null): Promise<void> {
  try {
    const taken = await picture?.grab();
    if (!taken) {
      notify(t('camera.noPicture'));
      return;
    }
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': taken.blob })]);
    notify(t('camera.copied'));
  } catch {
    notify(t('camera.copyFailed'));
  }
}

function bitRate(bits: number | undefined | null): string {
  return bits ? t('details.mbit', { value: number(bits / 1e6, 2) }) : t('details.unknown');
}

/* "H.264 (avc1.64001F)": as people call it, and as browsers do. */
function codecName(codec: string | null | undefined): string | null {
  const name = codecFamily(codec);
  return codec && codec.includes('.') && name !== codec ? `${name} (${codec})` : name;
}

/* What of the sound is played, and what it was made from. */
function soundName(camera: Camera, way: PictureStats['way']): string | null {
  const codec = soundOf(camera)?.codec;
  if (!codec) return null;
  const name = SOUND_NAMES[codec];
  if (way === 'webrtc' && codec === 'aac') return t('details.soundMade', { codec: 'Opus', from: name });
  if (way !== 'webrtc' && name === 'G.711') return t('details.soundMade', { codec: 'FLAC', from: name });
  return name;
}

function speakerOf(talk: TalkInfo): string {
  const state = t(`details.talk.${talk.state}`);
  return talk.detail ? `${state} (${talk.detail})` : state;
}

function pathOf(stats: PictureStats | undefined): string {
  if (!stats?.way) return t('details.unknown');
  if (stats.way === 'webrtc')
    return stats.protocol ? t('details.pathWebrtc', { protocol: stats.protocol.toUpperCase() }) : 'WebRTC';
  return t(stats.way === 'mse' ? 'details.pathMse' : 'details.pathStills', { protocol: protocolName() });
}

/* Why there are single pictures only, and the way to one that moves: mostly the small one is in a codec
 * that every browser plays. */
function CannotPlay({ camera, stream, onSub }: { camera: Camera; stream: StreamName; onSub(): void }) {
  const sub = stream === 'main' ? camera.streams.sub : null;
  return (
    <div class="verdict is-bad" role="status">
      <Icon name="warn" size={24} />
      <div>
        <p class="verdict-what">{t('camera.cannotPlay', { codec: codecFamily(camera.streams[stream]?.codec) ?? t('details.unknown') })}</p>
        {sub?.codec?.startsWith('avc1') && <button type="button" class="button" onClick={onSub}>{t('camera.playSub')}</button>}
      </div>
    </div>
  );
}

function Details({ picture, camera, stream }: { picture: RefObject<Picture>; camera: Camera; stream: StreamName }) {
  useTick(500);
  const stats = picture.current?.stats();
  const known = camera.streams[stream] ?? camera.streams.main;
  const width = stats?.width ?? known.width;
  const height = stats?.height ?? known.height;
  const unknown = t('details.unknown');
  const rows: [string, string][] = [
    [t('details.age'), stats?.ageMs == null ? unknown : duration(stats.ageMs)],
    [t('details.codec'), codecName((stats?.way === 'webrtc' ? known.codec : stats?.codec) || known.codec) ?? unknown],
    [t('details.size'), width && height ? `${width} × ${height}` : unknown],
    [t('details.rate'), stats?.fps || known.fps ? number(stats?.fps || known.fps || 0, 1) : unknown],
    [t('details.bits'), bitRate(stats?.bitsPerSecond || known.bits_per_second)],
    [t('details.path'), pathOf(stats)],
    [t('details.ahead'), stats?.aheadS === undefined ? unknown : duration(stats.aheadS * 1000)],
    [t('details.dropped'), stats?.dropped === undefined ? unknown : number(stats.dropped)],
  ];
  const sound = stats?.way ? soundName(camera, stats.way) : null;
  if (sound) rows.push([t('details.sound'), sound]);
  if (stats?.roundTripMs != null) rows.push([t('details.roundTrip'), duration(stats.roundTripMs)]);
  if (stats?.lossShare != null) rows.push([t('details.loss'), t('details.percent', { value: number(stats.lossShare * 100, 1) })]);
  if (camera.talk) rows.push([t('details.talk'), speakerOf(camera.talk)]);
  if (stats?.speechBitsPerSecond) rows.push([t('details.speech'), `G.711, ${bitRate(stats.speechBitsPerSecond)}`]);
  if (camera.main) rows.push([t('details.address'), (stream === 'sub' && camera.sub) || camera.main]);
  const whyNot = stats?.way && stats.way !== 'webrtc' ? stats.whyNotWebrtc : null;
  return (
    <>
      {stats?.way && <p class="hint">{t(`details.how.${stats.way}`)}</p>}
      <dl class="facts is-table">
        {rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
        {whyNot && <div class="is-long"><dt>{t('details.why')}</dt><dd>{t(`details.why.${whyNot}`)}</dd></div>}
      </dl>
    </>
  );
}

function Watching({ viewers, account, camera, home, data }: {
  viewers: Viewer[];
  account: string;
  camera: Camera;
  home: Home;
  data: HomeData;
}) {
  const isOwner = home.role === 'owner';
  const [isAsked, setIsAsked] = useState(false);
  const [cutting, setCutting] = useState<Viewer | null>(null);
  const revoke = (link: string) => void api.revokeLink(camera.home, link).catch((error: unknown) => notify(sentenceFor(error)));
  const listeners = new Set(viewers.filter((viewer) => viewer.sound).map((viewer) => viewer.account));
  const others = viewers.filter((viewer) => viewer.account !== account && (viewer.stream !== 'sound'
    || !viewers.some((one) => one.account === viewer.account && one.stream !== 'sound')));
  return (
    <section class="card watching">
      <h2><Icon name="eye" /> {t('camera.watching')}</h2>
      {others.length === 0 && <p class="quiet">{t('camera.nobody')}</p>}
      <ul class="rows">
        {others.map((viewer) => (
          <li key={`${viewer.account} ${viewer.since}`} class="row">
            <span class="avatar" aria-hidden="true">{[...viewer.name][0]?.toLocaleUpperCase()}</span>
            <span class="row-text">
              <strong>{viewer.name}</strong>{' '}
              <span class="quiet">{t('camera.watchingSince', { time: shortTime(Date.parse(viewer.since)) })}</span>
              {listeners.has(viewer.account) && <span class="quiet"> · {t('camera.listening')}</span>}
            </span>
            {isOwner && (
              <button type="button" class="button is-small" onClick={() => (viewer.link ? revoke(viewer.link) : setCutting(viewer))}>
                {t(viewer.link ? 'share.revoke' : 'cut.do')}
              </button>
            )}
          </li>
        ))}
      </ul>
      {isOwner && others.length > 0 && (
        <button type="button" class="button" onClick={() => void WatchersSheet.fetch().then(() => setIsAsked(true), () => notify(t('later.why')))}>
          {t('watchers.devices')}
        </button>
      )}
      {isAsked && <WatchersSheet home={home} camera={camera} data={data} onClose={() => setIsAsked(false)} />}
      {cutting && (
        <CutSheet home={camera.home} person={cutting} camera={camera} onClose={() => setCutting(null)} onDone={async () => undefined} />
      )}
    </section>
  );
}

function useFullscreen(element: RefObject<HTMLElement>): { isFull: boolean; toggle(): void } {
  const [isFull, setIsFull] = useState(false);
  useEffect(() => {
    const onChange = () => setIsFull(document.fullscreenElement !== null);
    document.addEventListener('fullscreenchange', onChange);
    return () => document.removeEventListener('fullscreenchange', onChange);
  }, []);
  return {
    isFull,
    toggle() {
      if (document.fullscreenElement) void document.exitFullscreen();
      else if (document.fullscreenEnabled)
        void element.current?.requestFullscreen().catch(() => undefined);
      else // an iPhone lets only a video fill its screen
        element.current?.querySelector<HTMLVideoElement & { webkitEnterFullscreen?(): void }>('video')?.webkitEnterFullscreen?.();
    },
  };
}

async function togglePip(video: HTMLVideoElement | null): Promise<void> {
  try {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else await video?.requestPictureInPicture?.();
  } catch {
    /* The browser has its reasons (no picture yet, not allowed): nothing changes. */
  }
}

interface Keys {
  sound(): void;
  full(): void;
  pip(): void;
  save(): void;
  step(by: number): void;
  leave(): void;
}

function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest('input, select, textarea, dialog')) return;
      const actions: Record<string, () => void> = {
        m: () => latest.current.sound(), f: () => latest.current.full(), p: () => latest.current.pip(), s: () => latest.current.save(),
        ArrowLeft: () => latest.current.step(-1), ArrowRight: () => latest.current.step(1),
        Escape: () => latest.current.leave(),
      };
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

interface CameraProps {
  data: HomeData;
  camera: Camera;
  home: Home;
  account: string;
}

export function CameraPage({ data, camera, home, account }: CameraProps) {
  const all = useStore(data.cameras) ?? [];
  const viewers = useStore(data.viewers).get(camera.id) ?? [];
  const isGone = useStore(data.gone).has(camera.id);
  const isOwner = home.role === 'owner';
  const [stream, setStream] = useState<StreamName>('main');
  const [hasDetails, setHasDetails] = useState(false);
  const stage = useRef<HTMLDivElement>(null);
  const { host, picture, status } = usePicture(
    camera.home, camera.id, stream, STILL_WIDTH, !isGone && hasPictures(camera));
  const state: TileState = isGone ? { kind: 'no-right' } : tileState(camera, status, isOwner);
  const sound = useSound(picture, camera, isGone);
  const isHeard = useStore(hears) && sound !== 'off';
  const maySpeak = useSpeech(picture, camera, isGone);
  const toggleSound = () => {
    const what = soundOf(camera);
    if (!what) return;
    if (isHeard && sound === 'blocked') picture.current?.setSound(what.codec);
    else hears.set(!hears.get());
  };
  const zoom = useZoom(stage, host);
  const full = useFullscreen(stage);
  useSpokenChanges(camera.name, state);

  const ids = inOrder(all, storedOrder(account, home.id));
  const step = (by: number) => {
    const next = ids[(ids.findIndex((one) => one.id === camera.id) + by + ids.length) % ids.length];
    if (next && next.id !== camera.id) go({ page: 'camera', home: home.id, camera: next.id }, 'replace');
  };
  useKeys({
    sound: toggleSound, full: full.toggle, step,
    pip: () => void togglePip(picture.current?.video ?? null),
    save: () => void saveStill(picture.current, camera),
    leave: () => { if (!document.fullscreenElement) go({ page: 'wall', home: home.id }); },
  });
  const [isShared, setIsShared] = useState(false);
  const share = () => void ShareSheet.fetch().then(() => setIsShared(true), () => notify(t('later.why')));
  const isHidden = hidesPicture(state);
  const hasPicture = !isVeiled(state) || (state.kind === 'unreachable' && state.takenMs !== null);
  const edit = hrefOf({ page: 'edit', home: home.id, camera: camera.id });
  return (
    <Page title={camera.name} back={hrefOf({ page: 'wall', home: home.id })} isWide about={t(LOOKS[state.kind].word)}
      tools={!isGone && (
        <>
          {camera.kind === 'whip' && (isOwner || camera.rights?.includes('publish')) && (
            <a class="button is-compact" href={hrefOf({ page: 'publish', home: home.id, camera: camera.id })}>
              <Icon name="phone" /> <span>{t('publish.link')}</span>
            </a>
          )}
          {isOwner && (
            <button type="button" class="button is-compact" onClick={share} aria-haspopup="dialog"><Icon name="key" /> <span>{t('share.do')}</span></button>
          )}
          {isOwner && <a class="button is-compact" href={edit}><Icon name="edit" /> <span>{t('camera.edit')}</span></a>}
        </>
      )}>
      <div class="camera">
        <div class="stage-column">
          <div class={`stage is-${state.kind}${isOld(state) ? ' is-old' : ''}`} data-state={state.kind} ref={stage} role="group" aria-label={spokenState(state)}>
            <div class="picture" ref={host} hidden={isHidden} />
            {state.kind === 'frozen' && <div class="hatch" aria-hidden="true" />}
            <Veil state={state} action={state.kind === 'wrong-password' && isOwner
              ? <a class="button is-light" href={edit}>{t('tile.changePassword')}</a> : null} />
            <StateChip state={state} />
            {zoom.isZoomed && (
              <button type="button" class="button is-light stage-zoom" onClick={zoom.reset}>{t('camera.zoomReset')}</button>
            )}
          </div>
          {state.kind === 'stills' && state.why === 'codec' && <CannotPlay camera={camera} stream={stream} onSub={() => setStream('sub')} />}
          <div class="tools" role="toolbar" aria-label={camera.name}>
            {ids.length > 1 && (
              <>
                <Tool icon="back" label={t('camera.previous')} onClick={() => step(-1)} />
                <Tool icon="forward" label={t('camera.next')} onClick={() => step(1)} />
              </>
            )}
            {hasPicture && (
              <>
                {soundOf(camera) && (
                  <Tool icon={isHeard ? 'sound' : 'mute'} label={t('camera.sound')} isOn={isHeard} onClick={toggleSound} />
                )}
                <Tool icon={full.isFull ? 'shrink' : 'full'} label={t(full.isFull ? 'camera.fullscreenEnd' : 'camera.fullscreen')} onClick={full.toggle} />
                {document.pictureInPictureEnabled && (
                  <Tool icon="pip" label={t('camera.pip')} onClick={() => void togglePip(picture.current?.video ?? null)} />
                )}
                <Tool icon="save" label={t('camera.still')} onClick={() => void saveStill(picture.current, camera)} />
                {window.isSecureContext && (
                  <Tool icon="copy" label={t('camera.copy')} onClick={() => void copyStill(picture.current)} />
                )}
              </>
            )}
            {!isHidden && (
              <Tool icon="info" label={t('camera.details')} isOn={hasDetails} onClick={() => setHasDetails(!hasDetails)} />
            )}
          </div>
          {maySpeak && hasPicture && <TalkButton key={camera.id} picture={picture} />}
          {isHeard && sound !== 'on' && <p class="hint" role="status">{t(`sound.${sound}`)}</p>}
          <p class="hint keys">{t('camera.keys')}</p>
        </div>
        {!isHidden && (
          <aside class="camera-side">
            <Watching viewers={viewers} account={account} camera={camera} home={home} data={data} />
            {hasDetails && (
              <section class="card">
                <h2><Icon name="info" /> {t('camera.details')}</h2>
                {camera.streams.sub && (
                  <Choices legend={t('camera.quality')} value={stream} isRow onChange={(value) => setStream(value)}
                    choices={[{ value: 'main', label: t('camera.main') }, { value: 'sub', label: t('camera.sub') }]} />
                )}
                <Details picture={picture} camera={camera} stream={stream} />
              </section>
            )}
          </aside>
        )}
      </div>
      {isShared && <ShareSheet home={home} camera={camera} onClose={() => setIsShared(false)} />}
    </Page>
  );
}
