/* A time of the day, or a moment by the home's clock: "18:00", "2026-12-24T18:00", or empty. */

import { useId } from 'preact/hooks';

export function TimeField({ label, value, type, hint, error, onInput }: {
  label: string;
  value: string;
  type: 'time' | 'datetime-local';
  hint?: string;
  error?: string;
  onInput(value: string): void;
}) {
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div class={`field${error ? ' is-wrong' : ''}`}>
      <label for={id}>{label}</label>
      <div class="field-box">
        <input id={id} type={type} value={value} aria-describedby={about || undefined} aria-invalid={error ? true : undefined}
          onInput={(event) => onInput(event.currentTarget.value)} />
      </div>
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {error && <p class="error" id={`${id}-error`}>{error}</p>}
    </div>
  );
}
