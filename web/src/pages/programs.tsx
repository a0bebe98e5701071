/* Tokens of programs (Frigate, Home Assistant, VLC, OBS): which there are, making some, ending one. */

import { useEffect, useState } from 'preact/hooks';
import { api, asProblem } from '../api/client';
import type { Camera, Home, Person, Right, Token, TokenMade, TokenPorts } from '../api/types';
import { dayAndTime, list, relative, t, type Key } from '../i18n';
import type { HomeData } from '../state/home';
import { useStore } from '../state/store';
import { notify } from '../ui/announce';
import { Alert, Choices, Field, Note, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';
import { Ticks } from '../ui/ticks';

const DAYS = ['30', '365', '3650'] as const;
const KINDS: Record<'see' | 'hear' | 'bring', Right[]> = { see: ['view'], hear: ['view', 'listen'], bring: ['publish'] };
type Kind = keyof typeof KINDS;

/* Where a program finds a camera, its token within: "rtsps://program:TOKEN@host:8322/home/camera". */
function addressesOf(one: TokenMade, camera: Camera | undefined, home: Home, ports: TokenPorts): { label: string; address: string }[] {
  if (one.rights.includes('publish'))
    return [{ label: t('programs.whip'), address: `${location.origin}/api/v1/cameras/${encodeURIComponent(one.camera)}/whip` }];
  const [scheme, port] = ports.tls_port !== null ? ['rtsps', ports.tls_port] : ['rtsp', ports.port];
  if (port === null) return [];
  const main = `${scheme}://program:${one.token}@${location.hostname}:${port}/${home.id}/${one.camera}`;
  return [
    { label: t('programs.main'), address: main },
    ...(camera?.streams.sub ? [{ label: t('programs.sub'), address: `${main}/sub` }] : []),
  ];
}

function ToCopy({ label, text }: { label: string; text: string }) {
  const copy = () => void navigator.clipboard.writeText(text).then(() => notify(t('programs.copied')), () => undefined);
  return (
    <div class="to-copy">
      <div class="row-text">
        <span class="quiet">{label}</span>
        <p class="link" dir="ltr">{text}</p>
      </div>
      <button type="button" class="icon-button" aria-label={t('programs.copy', { what: label })} onClick={copy}><Icon name="copy" /></button>
    </div>
  );
}

function MadeSheet({ made, cameras, home, ports, onClose }: {
  made: TokenMade[];
  cameras: Camera[];
  home: Home;
  ports: TokenPorts;
  onClose(): void;
}) {
  const isHeard = ports.port !== null || ports.tls_port !== null;
  return (
    <Sheet title={t('programs.ready')} onClose={onClose}>
      <p>{t('programs.once')}</p>
      {made.map((one) => {
        const camera = cameras.find(({ id }) => id === one.camera);
        const addresses = addressesOf(one, camera, home, ports);
        return (
          <section key={one.id} class="stack">
            <h3>{camera?.name ?? one.camera}</h3>
            {addresses.map(({ label, address }) => <ToCopy key={label} label={label} text={address} />)}
            <ToCopy label={t('programs.token')} text={one.token} />
          </section>
        );
      })}
      {!isHeard && made.some((one) => !one.rights.includes('publish')) && <Note>{t('programs.noRtsp')}</Note>}
    </Sheet>
  );
}

function NewSheet({ home, cameras, onClose, onMade }: {
  home: Home;
  cameras: Camera[];
  onClose(): void;
  onMade(made: TokenMade[]): void;
}) {
  const [name, setName] = useState('');
  const [kind, setKind] = useState<Kind>('see');
  const [days, setDays] = useState<(typeof DAYS)[number]>('365');
  const [chosen, setChosen] = useState<string[]>([]);
  const [isMissing, setIsMissing] = useState(false);
  const { isBusy, error, run } = useSubmit();
  const isBadName = error !== null && asProblem(error).name_ === 'bad-name';
  const kinds: Kind[] = cameras.some((camera) => camera.kind === 'whip') ? ['see', 'hear', 'bring'] : ['see', 'hear'];
  const offered = cameras.filter((camera) => kind !== 'bring' || camera.kind === 'whip');
  const wanted = offered.filter((camera) => chosen.includes(camera.id));
  const submit = (event: Event) => {
    event.preventDefault();
    setIsMissing(wanted.length === 0);
    if (wanted.length === 0) return;
    void run(async () => {
      const made: TokenMade[] = [];
      /* One after the other; those that were made are shown whatever becomes of the rest. */
      try {
        for (const camera of wanted) made.push(await api.makeToken(home.id, { camera: camera.id, rights: KINDS[kind], days: Number(days), name: name.trim() }));
      } catch (problem) {
        if (made.length === 0) throw problem;
        notify(sentenceFor(problem));
      }
      onMade(made);
    });
  };
  return (
    <Sheet title={t('programs.new')} onClose={onClose}>
      <form class="form" onSubmit={submit} noValidate>
        {error !== null && !isBadName && <Alert>{sentenceFor(error)}</Alert>}
        <Field label={t('programs.name')} hint={t('programs.nameHint')} value={name} onInput={setName} isOptional
          error={isBadName ? t('problem.bad-name') : ''} />
        <Choices legend={t('programs.may')} value={kind} onChange={(value) => setKind(value)}
          choices={kinds.map((value) => ({ value, label: t(`programs.kind.${value}`), what: t(`programs.kind.${value}.what`) }))} />
        <Ticks legend={t('programs.cameras')} ticked={chosen} onChange={setChosen}
          choices={offered.map(({ id, name }) => ({ value: id, label: name }))}
          error={isMissing && wanted.length === 0 ? t('programs.choose') : ''} />
        <Choices legend={t('programs.for')} value={days} isRow onChange={(value) => setDays(value)}
          choices={DAYS.map((value) => ({ value, label: t(`programs.for.${value}` as Key) }))} />
        <p class="hint">{t('programs.yours')}</p>
        <button class="button is-primary" aria-disabled={isBusy}>{t('programs.do')}</button>
      </form>
    </Sheet>
  );
}

function EndSheet({ home, token, camera, onClose, onDone }: { home: Home; token: Token; camera: string; onClose(): void; onDone(): void }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t(token.name ? 'programs.endNamed' : 'programs.endTitle', { name: token.name, camera })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('programs.endNow')}</li>
        <li>{t('programs.endLater')}</li>
        <li>{t('cut.others')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('programs.end')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.endToken(home.id, token.id);
        onDone();
        onClose();
      })} />
    </Sheet>
  );
}

function about(token: Token, home: Home, people: Person[]): string {
  const owner = people.find((one) => one.account === token.account)?.name;
  const used = token.last_used === null ? t('programs.unused')
    : t('programs.used', { when: relative(Date.parse(token.last_used) - Date.now()) });
  const isOver = Date.parse(token.expires) <= Date.now();
  return [
    list(token.rights.map((right) => t(`safety.right.${right}` as Key))), owner && t('programs.by', { name: owner }), used,
    isOver ? t('programs.over') : t('rights.until', { date: dayAndTime(Date.parse(token.expires), home.time_zone) }),
  ].filter(Boolean).join(' · ');
}

export function Programs({ data, home }: { data: HomeData; home: Home }) {
  const cameras = useStore(data.cameras) ?? [];
  const [tokens, setTokens] = useState<Token[] | null>(null);
  const [ports, setPorts] = useState<TokenPorts>({ port: null, tls_port: null });
  const [people, setPeople] = useState<Person[]>([]);
  const [open, setOpen] = useState<'new' | { made: TokenMade[] } | { end: Token } | null>(null);
  const { error, setError } = useSubmit();
  const load = () => void api.tokens(home.id).then(({ tokens: all, rtsp }) => {
    setTokens(all);
    if (rtsp) setPorts(rtsp);
  }, setError);
  useEffect(load, [home.id]);
  useEffect(() => void api.people(home.id).then(setPeople, setError), [home.id]);
  const nameOf = (id: string) => cameras.find((camera) => camera.id === id)?.name ?? id;
  const close = () => setOpen(null);
  return (
    <Page title={t('programs.title')} about={t('programs.intro')} back={`#/people/${encodeURIComponent(home.id)}`} tools={
      <button type="button" class="button is-primary" onClick={() => setOpen('new')}><Icon name="add" /> {t('programs.new')}</button>
    }>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      {tokens?.length === 0 && <p class="quiet">{t('programs.none')}</p>}
      {tokens && tokens.length > 0 && (
        <ul class="rows card">
          {tokens.map((token) => (
            <li key={token.id} class="row">
              <span class="row-icon"><Icon name="plug" /></span>
              <div class="row-text">
                <strong>{token.name || nameOf(token.camera)}</strong>
                <span class="quiet">{token.name !== '' && `${nameOf(token.camera)} · `}{about(token, home, people)}</span>
              </div>
              <button type="button" class="button" onClick={() => setOpen({ end: token })}>
                {t('programs.end')}<span class="unseen"> {token.name || nameOf(token.camera)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {open === 'new' && (
        <NewSheet home={home} cameras={cameras} onClose={close} onMade={(made) => { setOpen({ made }); load(); }} />
      )}
      {open !== null && open !== 'new' && 'made' in open && (
        <MadeSheet made={open.made} cameras={cameras} home={home} ports={ports} onClose={close} />
      )}
      {open !== null && open !== 'new' && 'end' in open && (
        <EndSheet home={home} token={open.end} camera={nameOf(open.end.camera)} onClose={close} onDone={load} />
      )}
    </Page>
  );
}
