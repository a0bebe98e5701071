/* Push to talk: one wide button under the picture. Held it speaks until it is let go; tapped it speaks
 * until it is tapped again, for whom holding is hard. Keys do the same: Space or Enter on the button. */

import type { RefObject } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Camera } from '../api/types';
import { t } from '../i18n';
import type { Picture } from '../player/picture';
import { QUIET, Talk, type TalkStatus } from '../player/talk';
import { Icon } from '../ui/icons';

const TAP_MS = 350; // shorter is a tap

/* A loudspeaker that there is, and that we may speak by. */
export function maySpeakTo(camera: Camera): boolean {
  return Boolean(camera.talk) && (camera.rights?.includes('talk') ?? false);
}

function useTalk(picture: RefObject<Picture>, level: RefObject<HTMLElement>): { talk: RefObject<Talk>; status: TalkStatus } {
  const [status, setStatus] = useState<TalkStatus>(QUIET);
  const talk = useRef<Talk | null>(null);
  useEffect(() => {
    const mine = new Talk(() => picture.current, setStatus,
      (loudness) => level.current?.style.setProperty('--level', loudness.toFixed(2)));
    talk.current = mine;
    return () => {
      mine.close();
      talk.current = null;
    };
  }, []);
  return { talk, status };
}

/* What the button does with what is pressed: down() and up() of a pointer or a key, at times that the events tell (a busy
 * page hears of both late), and a click that is neither (a screen reader's). */
function usePress(talk: RefObject<Talk>) {
  const [isLocked, setIsLocked] = useState(false); // tapped: it speaks without being held
  const press = useRef({ at: 0, isDown: false, ends: false });
  const down = (at: number) => {
    if (press.current.isDown) return;
    press.current = { at, isDown: true, ends: isLocked };
    if (!isLocked) talk.current?.start();
  };
  const up = (at: number) => {
    if (!press.current.isDown) return;
    press.current.isDown = false;
    const isShort = at - press.current.at < TAP_MS;
    const isTap = isShort && !press.current.ends && talk.current?.status.phase !== 'off';
    setIsLocked(isTap);
    if (!isTap) talk.current?.stop();
  };
  const cancel = () => {
    if (!press.current.isDown) return;
    press.current.isDown = false;
    setIsLocked(false);
    talk.current?.stop();
  };
  const toggle = () => {
    down(0);
    up(0);
  };
  return { isLocked, setIsLocked, down, up, cancel, toggle };
}

const isPressKey = (event: KeyboardEvent) => event.key === ' ' || event.key === 'Enter';

function wordsOf({ phase, trouble, cause }: TalkStatus, isLocked: boolean): string {
  if (trouble === 'camera' && cause && cause !== 'codec_unsupported') return t(`cause.${cause}.what`);
  if (trouble) return t(`talk.trouble.${trouble}`);
  if (phase === 'on') return t(isLocked ? 'talk.onLocked' : 'talk.on');
  return t(`talk.${phase}`);
}

export function TalkButton({ picture }: { picture: RefObject<Picture> }) {
  const level = useRef<HTMLButtonElement>(null);
  const { talk, status } = useTalk(picture, level);
  const { isLocked, setIsLocked, down, up, cancel, toggle } = usePress(talk);
  const described = useId();
  const isOn = status.phase !== 'off';
  const isHeard = status.phase === 'on' && !status.trouble;
  useEffect(() => {
    if (!isOn) setIsLocked(false); // it ended by itself
  }, [isOn]);
  useEffect(() => {
    addEventListener('blur', cancel); // whoever holds it would not be seen to let go
    return () => removeEventListener('blur', cancel);
  });
  return (
    <div class={`talk${isOn ? ' is-on' : ''}${isHeard ? ' is-heard' : ''}${status.trouble ? ' has-trouble' : ''}`} data-phase={status.phase}
      data-trouble={status.trouble ?? ''}>
      <button type="button" class="talk-do" ref={level} aria-pressed={isOn} aria-describedby={described}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          down(event.timeStamp);
        }}
        onPointerUp={(event) => up(event.timeStamp)} onPointerCancel={cancel} onLostPointerCapture={(event) => up(event.timeStamp)}
        onKeyDown={(event) => {
          if (!isPressKey(event)) return;
          event.preventDefault();
          if (!event.repeat) down(event.timeStamp);
        }}
        onKeyUp={(event) => {
          if (!isPressKey(event)) return;
          event.preventDefault();
          up(event.timeStamp);
        }}
        onBlur={cancel} onContextMenu={(event) => event.preventDefault()}
        onClick={(event) => { if (event.detail === 0) toggle(); }}>
        <span class="talk-level" aria-hidden="true" />
        <Icon name="mic" size={26} />
        <span class="talk-word">{t('talk.do')}</span>
      </button>
      <p class="talk-status" id={described} role="status">{wordsOf(status, isLocked)}</p>
    </div>
  );
}
