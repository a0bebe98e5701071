/* Any number of a few things, all in view: real checkboxes under the looks of choices. */

import { Icon } from './icons';

interface Ticked<T extends string> {
  value: T;
  label: string;
  isPossible?: boolean;
}

export function Ticks<T extends string>(props: {
  legend: string;
  ticked: readonly T[];
  choices: Ticked<T>[];
  onChange(ticked: T[]): void;
  error?: string;
}) {
  const toggle = (value: T, isTicked: boolean) =>
    props.onChange(isTicked ? [...props.ticked, value] : props.ticked.filter((one) => one !== value));
  return (
    <fieldset class="choices">
      <legend>{props.legend}</legend>
      <div class="choices-list">
        {props.choices.map(({ value, label, isPossible = true }) => (
          <label key={value} class={`is-tick${props.ticked.includes(value) ? ' is-chosen' : ''}${isPossible ? '' : ' is-off'}`}>
            <input type="checkbox" checked={props.ticked.includes(value)} disabled={!isPossible}
              onChange={(event) => toggle(value, event.currentTarget.checked)} />
            <span>{label}</span>
            <Icon name="check" />
          </label>
        ))}
      </div>
      {props.error && <p class="error" role="alert">{props.error}</p>}
    </fieldset>
  );
}
