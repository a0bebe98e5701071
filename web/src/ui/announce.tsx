/* Sentences for screen readers, and short notices that everyone sees. */

import { useEffect, useState } from 'preact/hooks';
import { createStore, useStore } from '../state/store';

const spoken = createStore<{ text: string; n: number }>({ text: '', n: 0 });
const notice = createStore<{ text: string; n: number } | null>(null);

export function announce(text: string): void {
  spoken.update(({ n }) => ({ text, n: n + 1 }));
}

export function notify(text: string): void {
  notice.update((old) => ({ text, n: (old?.n ?? 0) + 1 }));
}

export function Announcer() {
  const { text, n } = useStore(spoken);
  const current = useStore(notice);
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    if (!current) return undefined;
    setIsShown(true);
    const timer = setTimeout(() => setIsShown(false), 4_000);
    return () => clearTimeout(timer);
  }, [current]);
  return (
    <>
      <div class="unseen" aria-live="polite" role="status">
        <span key={n}>{text}</span>
      </div>
      <div class="notice-place" aria-live="polite">
        {isShown && current && <div class="notice" key={current.n}>{current.text}</div>}
      </div>
    </>
  );
}
