/*
 * A camera's picture in a place on the page, moving only while somebody can see it: on screen, and
 * the tab in view or hidden for less than half a minute.
 */

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { StreamName } from '../api/types';
import { Picture, type PictureStatus } from '../player/picture';

const HIDDEN_MS = 30_000;

export function usePicture(home: string, camera: string, stream: StreamName, stillWidth: number, isWanted: boolean): {
  host: RefObject<HTMLDivElement>;
  picture: RefObject<Picture>;
  status: PictureStatus;
} {
  const host = useRef<HTMLDivElement>(null);
  const picture = useRef<Picture | null>(null);
  const [status, setStatus] = useState<PictureStatus>({ kind: 'idle', takenMs: null });

  /* Of the layout: a picture that nobody may see any more goes before what says so is on screen, however busy the machine. */
  useLayoutEffect(() => {
    const element = host.current;
    if (!element || !isWanted) return undefined;
    const mine = new Picture(element, home, camera, stream, stillWidth, setStatus);
    picture.current = mine;
    let isOnScreen = false;
    let isAwake = !document.hidden;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const decide = () => mine.setActive(isOnScreen && isAwake);
    const observer = new IntersectionObserver((entries) => {
      isOnScreen = entries[entries.length - 1]?.isIntersecting ?? false;
      decide();
    }, { rootMargin: '120px' });
    observer.observe(element);
    /* A picture in its own small window is in view even when its tab is not. */
    const rest = () => {
      if (element.contains(document.pictureInPictureElement)) {
        timer = setTimeout(rest, 1_000);
        return;
      }
      isAwake = false;
      decide();
    };
    const onVisibility = () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(rest, HIDDEN_MS);
      else {
        isAwake = true;
        decide();
      }
    };
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      clearTimeout(timer);
      observer.disconnect();
      mine.destroy();
      picture.current = null;
      setStatus({ kind: 'idle', takenMs: null });
    };
  }, [home, camera, isWanted]);

  useEffect(() => picture.current?.setStream(stream), [stream]);

  return { host, picture, status };
}
