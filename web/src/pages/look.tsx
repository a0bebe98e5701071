/* Whoever opened a guest link: one camera's picture, how long he may look, and clear words when that is over. Nothing
 * of the home is known here, and nothing else of the app is shown. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, asProblem, GUEST } from '../api/client';
import type { Look as LookInfo } from '../api/types';
import { duration, shortTime, t } from '../i18n';
import type { PictureStatus } from '../player/picture';
import { clock } from '../state/clock';
import { useTick } from '../state/store';
import { Alert, sentenceFor } from '../ui/form';
import { Icon, Mark, type IconName } from '../ui/icons';
import { spokenState, StateChip } from '../wall/tile';
import { isOld, type TileState } from '../wall/tile-state';
import { usePicture } from '../wall/use-picture';

const STILL_WIDTH = 1280;
const SOON_MS = 300_000;

type State =
  | { kind: 'opening' }
  | { kind: 'early'; look: LookInfo }
  | { kind: 'looking'; look: LookInfo }
  | { kind: 'over'; isCut: boolean } // isCut: before its time
  | { kind: 'none' } // no link that could be opened
  | { kind: 'failed'; error: unknown };

const now = (): number => clock.now() ?? Date.now();

function Words({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <main id="content" class="look is-words">
      <div class="look-words" role="status">
        <span class="veil-icon"><Icon name={icon} size={24} /></span>
        <h1>{title}</h1>
        {children}
      </div>
      <p class="look-brand"><Mark size={20} /> {t('app.name')}</p>
    </main>
  );
}

/* A camera's own state is not told to guests: what there is to say is the picture's age. */
function stateOf(status: PictureStatus): TileState {
  switch (status.kind) {
    case 'live':
    case 'no-right':
      return { kind: status.kind };
    case 'behind':
      return { kind: 'behind', ageMs: status.ageMs };
    case 'frozen':
      return { kind: 'frozen', takenMs: status.takenMs };
    case 'stills':
      return { kind: 'stills', takenMs: status.takenMs, why: status.why };
    default:
      return { kind: 'connecting', takenMs: status.takenMs };
  }
}

function Looking({ look, onOver }: { look: LookInfo; onOver(isCut: boolean): void }) {
  useTick(1_000);
  useEffect(() => { document.title = `${look.camera} · ${t('app.name')}`; }, [look.camera]);
  const stage = useRef<HTMLElement>(null);
  const { host, status } = usePicture(GUEST, 'look', 'main', STILL_WIDTH, true);
  const leftMs = Date.parse(look.until) - now();
  const isOver = leftMs <= 0 || status.kind === 'no-right';
  useEffect(() => {
    if (isOver) onOver(leftMs > 0);
  }, [isOver]);
  const state = stateOf(status);
  const full = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void stage.current?.requestFullscreen?.().catch(() => undefined);
  };
  return (
    <main id="content" class="look" ref={stage} data-state={state.kind}>
      <header class="look-head">
        <h1>{look.camera}</h1>
        <p class={`look-left${leftMs < SOON_MS ? ' is-soon' : ''}`}>
          <Icon name="clock" size={16} /> {t('look.left', { duration: duration(Math.max(0, leftMs)) })}
          <span class="unseen"> {t('look.until', { time: shortTime(Date.parse(look.until), now()) })}</span>
        </p>
        {document.fullscreenEnabled && (
          <button type="button" class="icon-button" onClick={full} aria-label={t('camera.fullscreen')}><Icon name="full" /></button>
        )}
      </header>
      <div class={`look-stage is-${state.kind}${isOld(state) ? ' is-old' : ''}`} role="group" aria-label={spokenState(state)}>
        <div class="picture" ref={host} />
        {state.kind === 'frozen' && <div class="hatch" aria-hidden="true" />}
        <StateChip state={state} />
      </div>
      <p class="look-brand"><Mark size={20} /> {t('look.note')}</p>
    </main>
  );
}

export function Look({ secret }: { secret: string | null }) {
  const [state, setState] = useState<State>({ kind: 'opening' });
  const fail = (error: unknown) => {
    const { status } = asProblem(error);
    if (status === 401) setState({ kind: 'over', isCut: true });
    else setState(status === 404 ? { kind: 'none' } : { kind: 'failed', error });
  };
  const open = () => {
    setState({ kind: 'opening' });
    if (secret === null) void api.look().then((look) => setState({ kind: 'looking', look }), fail);
    else void api.openLook(secret).then((look) => setState({ kind: look.is_open ? 'looking' : 'early', look }), fail);
  };
  useEffect(open, [secret]);
  const waitMs = state.kind === 'early' ? Date.parse(state.look.from) - Date.parse(state.look.now) : null;
  useEffect(() => {
    if (waitMs === null) return undefined;
    const timer = setTimeout(open, Math.min(waitMs + 1_000, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  }, [waitMs]);
  switch (state.kind) {
    case 'looking':
      return <Looking look={state.look} onOver={(isCut) => setState({ kind: 'over', isCut })} />;
    case 'early':
      return (
        <Words icon="clock" title={state.look.camera}>
          <p>{t('look.early', { time: shortTime(Date.parse(state.look.from), Date.parse(state.look.now)) })}</p>
        </Words>
      );
    case 'over':
      return <Words icon="off" title={t('look.over')}><p>{t(state.isCut ? 'look.cut' : 'look.ended')}</p></Words>;
    case 'none':
      return <Words icon="off" title={t('look.none')}><p>{t('look.noneHow')}</p></Words>;
    case 'failed':
      return (
        <Words icon="warn" title={t('look.failed')}>
          <Alert>{sentenceFor(state.error)}</Alert>
          <button type="button" class="button is-light" onClick={open}>{t('look.again')}</button>
        </Words>
      );
    default:
      return <main id="content" class="look" aria-busy="true"><p class="unseen">{t('app.loading')}</p></main>;
  }
}
