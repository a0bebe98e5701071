/* Line icons, 24 × 24, drawn in the colour of the text around them. */

const PATHS = {
  home: 'M4 20V10.5L12 4l8 6.5V20h-5.5v-6h-5v6z',
  add: 'M12 5v14M5 12h14',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-6 6.5-6s6.1 2.4 6.5 6M16 4.5a3.2 3.2 0 0 1 0 6.1M18 14.5c2 .7 3.3 2.6 3.5 5.5',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  safety: 'M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM8.5 12l2.5 2.5 4.5-5',
  homes: 'M3 20v-8l5-4 5 4v8zM13 20h8V9l-5-4-4 3.2',
  back: 'M15 5l-7 7 7 7',
  forward: 'M9 5l7 7-7 7',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  sound: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  mute: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5',
  mic: 'M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3',
  micOff: 'M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3M4 3l16 18',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2',
  small: 'M4 5h16v14H4zM12 12.5h5V16h-5z',
  frozen: 'M12 3v18M4.2 7.5l15.6 9M19.8 7.5l-15.6 9M9.5 4.5L12 7l2.5-2.5M9.5 19.5L12 17l2.5 2.5',
  dots: 'M6 12h.01M12 12h.01M18 12h.01',
  off: 'M4 4l16 16M9.5 6H16v4l5-2.5v9l-2-1M16 16v2H4V7h1',
  plug: 'M8 3v5M16 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4',
  key: 'M8 19a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM11.5 10.5L20 3M16.5 6l3 3',
  question: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M12 16.8h.01',
  hold: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9v6M14.5 9v6',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  picture: 'M4 5h16v14H4zM4 16l4.5-4.5 3.5 3.5 3-3 5 4.5M15.5 9h.01',
  full: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  shrink: 'M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5',
  pip: 'M4 5h16v14H4zM12 12h8v7h-8z',
  save: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  copy: 'M8 8h12v12H8zM16 8V4H4v12h4',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.5h.01',
  phone: 'M7.5 3h9v18h-9zM11 18h2',
  edit: 'M4 20h4L19.5 8.5l-4-4L4 16zM13 7l4 4',
  arrange: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  warn: 'M12 4l9 16H3zM12 10v4.5M12 17.3h.01',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  out: 'M14 4h6v16h-6M3 12h12M11 8l4 4-4 4',
  close: 'M6 6l12 12M18 6L6 18',
} as const;

export type IconName = keyof typeof PATHS;

/* Strokes of no length are dots, and dots are drawn wider than lines. */
const DOT = /M[\d. ]+h\.01/g;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  const path = PATHS[name];
  const dots = path.match(DOT);
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={path.replace(DOT, '')} />
      {dots && <path class="icon-dots" d={dots.join('')} />}
    </svg>
  );
}

export function Mark({ size = 32 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <path class="mark-pane" d="M14 54V28a18 18 0 0 1 36 0v26z" />
      <path class="mark-bars" d="M32 10v44M14 33h36" />
      <path class="mark-sill" d="M9 54h46" />
    </svg>
  );
}
