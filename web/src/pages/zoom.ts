/* Zooming into a picture: wheel, pinch, drag and double tap move an element by its transform. */

import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const MAX_ZOOM = 8;

interface View {
  scale: number;
  x: number;
  y: number;
}

const WHOLE: View = { scale: 1, x: 0, y: 0 };

/* Scales around a point of the frame and keeps the picture's edges outside the frame's. */
export function zoomAt(view: View, factor: number, px: number, py: number, width: number, height: number): View {
  const scale = Math.min(MAX_ZOOM, Math.max(1, view.scale * factor));
  const ratio = scale / view.scale;
  return held({ scale, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio }, width, height);
}

function held({ scale, x, y }: View, width: number, height: number): View {
  if (scale <= 1.01) return WHOLE;
  return {
    scale,
    x: Math.min(0, Math.max(width * (1 - scale), x)),
    y: Math.min(0, Math.max(height * (1 - scale), y)),
  };
}

export function useZoom(frame: RefObject<HTMLElement>, content: RefObject<HTMLElement>): {
  isZoomed: boolean;
  reset(): void;
} {
  const [view, setView] = useState<View>(WHOLE);

  useEffect(() => {
    if (!content.current) return;
    content.current.style.transform = view.scale === 1 ? '' : `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  }, [view]);

  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const pointers = new Map<number, { x: number; y: number }>();
    const place = (event: MouseEvent) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const size = () => [element.clientWidth, element.clientHeight] as const;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { x, y } = place(event);
      setView((old) => zoomAt(old, Math.exp(-event.deltaY / 400), x, y, ...size()));
    };
    const onDown = (event: PointerEvent) => {
      if ((event.target as HTMLElement).closest('button, a')) return;
      pointers.set(event.pointerId, place(event));
    };
    const onMove = (event: PointerEvent) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = place(event);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, now);
      if (other) {
        const spread = (p: { x: number; y: number }) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
        setView((old) => zoomAt(old, spread(now) / spread(before), (now.x + other.x) / 2, (now.y + other.y) / 2, ...size()));
      } else
        setView((old) => held({ ...old, x: old.x + now.x - before.x, y: old.y + now.y - before.y }, ...size()));
    };
    const onUp = (event: PointerEvent) => pointers.delete(event.pointerId);
    const onDouble = (event: MouseEvent) => {
      const { x, y } = place(event);
      setView((old) => (old.scale > 1 ? WHOLE : zoomAt(old, 2.5, x, y, ...size())));
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    element.addEventListener('pointerdown', onDown);
    element.addEventListener('dblclick', onDouble);
    addEventListener('pointermove', onMove);
    addEventListener('pointerup', onUp);
    addEventListener('pointercancel', onUp);
    return () => {
      element.removeEventListener('wheel', onWheel);
      element.removeEventListener('pointerdown', onDown);
      element.removeEventListener('dblclick', onDouble);
      removeEventListener('pointermove', onMove);
      removeEventListener('pointerup', onUp);
      removeEventListener('pointercancel', onUp);
    };
  }, []);

  return { isZoomed: view.scale > 1, reset: () => setView(WHOLE) };
}
