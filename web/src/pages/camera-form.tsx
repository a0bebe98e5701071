/* Adding a camera: where it is, a test that shows its picture, its name. Editing is the same form. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Camera, CameraInput, Cause, Home, Probe, StreamInfo } from '../api/types';
import { number, t } from '../i18n';
import { codecFamily } from '../player/codec';
import type { HomeData } from '../state/home';
import { go, hrefOf } from '../state/route';
import { announce, notify } from '../ui/announce';
import { Alert, Field, Tick, sentenceFor, useSubmit } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { HoldButton, Sheet } from '../ui/sheet';

function streamWords(stream: StreamInfo): string {
  return t('add.stream', {
    codec: codecFamily(stream.codec) ?? t('details.unknown'),
    width: String(stream.width ?? '?'), height: String(stream.height ?? '?'),
    fps: stream.fps === null ? '?' : number(stream.fps, Number.isInteger(stream.fps) ? 0 : 1),
  });
}

/* Causes of which the server may know more than the two sentences say. */
const DETAILED: Cause[] = ['no_route', 'connection_refused', 'protocol', 'no_pictures', 'closed', 'talk_refused'];

export function CauseBox({ cause, detail, isSub = false, isTalk = false }: {
  cause: Cause;
  detail: string | null;
  isSub?: boolean;
  isTalk?: boolean; // nobody could speak to it
}) {
  const isCodec = cause === 'codec_unsupported';
  return (
    <div class="verdict is-bad" role="alert">
      <Icon name="warn" size={24} />
      <div>
        {isTalk && <p>{t('add.isTalk')}</p>}
        <p class="verdict-what">{t(isTalk && isCodec ? 'add.talkCodec' : `cause.${cause}.what`)}</p>
        {detail && isCodec && !isTalk && <p>{t('add.codecIs', { codec: detail })}</p>}
        {!(isTalk && isCodec) && <p>{t(`cause.${cause}.fix`)}</p>}
        {isSub && <p>{t('add.isSub')}</p>}
        {detail && DETAILED.includes(cause) && <p class="hint">{t('add.said', { detail })}</p>}
      </div>
    </div>
  );
}

function ProbeResult({ probe }: { probe: Probe }) {
  if (!probe.ok)
    return <CauseBox cause={probe.failure ?? 'protocol'} detail={probe.detail} isSub={probe.failed_stream === 'sub'} />;
  const over = probe.transport && t(probe.transport === 'tcp' ? 'add.overTcp' : 'add.overUdp');
  return (
    <div class="verdict is-good" role="status">
      {probe.still?.startsWith('data:image/jpeg;base64,') && <ProbeStill still={probe.still} />}
      <div class="verdict-text">
        <p class="verdict-what"><Icon name="check" /> {t(probe.still ? 'add.works' : 'add.worksNoStill')}</p>
        <dl class="facts">
          {probe.main && <><dt>{t('add.mainPicture')}</dt><dd>{streamWords(probe.main)}{over && `, ${over}`}</dd></>}
          <dt>{t('add.subPicture')}</dt>
          <dd>{probe.sub ? streamWords(probe.sub) : t('add.noSub')}</dd>
        </dl>
      </div>
    </div>
  );
}

function ProbeStill({ still }: { still: string }) {
  return <img class="probe-still" src={still} alt={t('add.pictureAlt')} />;
}

interface Address {
  main: string;
  sub: string;
  user: string;
  password: string;
}

const NO_ADDRESS: Address = { main: '', sub: '', user: '', password: '' };

function inputOf(address: Address): CameraInput {
  const input: CameraInput = { main: address.main.trim() };
  if (address.sub.trim()) input.sub = address.sub.trim();
  if (address.user.trim()) input.user = address.user.trim();
  if (address.password) input.password = address.password;
  return input;
}

function AddressFields({ address, onChange, fault, passwordHint }: {
  address: Address;
  onChange(address: Address): void;
  fault: string;
  passwordHint: string;
}) {
  const set = (part: Partial<Address>) => onChange({ ...address, ...part });
  return (
    <>
      <Field label={t('add.address')} hint={t('add.addressHint')} value={address.main} error={fault}
        onInput={(main) => set({ main })} isAddress />
      <Field label={t('add.sub')} hint={t('add.subHint')} value={address.sub} onInput={(sub) => set({ sub })}
        isOptional isAddress />
      <div class="form-pair">
        <Field label={t('add.user')} value={address.user} onInput={(user) => set({ user })} isOptional />
        <Field label={t('add.password')} hint={passwordHint} value={address.password}
          onInput={(password) => set({ password })} type="password" isOptional autocomplete="new-password" />
      </div>
    </>
  );
}

/* Not found out by asking: being asked makes some cameras and doorbells stumble. */
function TalkTick({ takesTalk, onChange }: { takesTalk: boolean; onChange(takesTalk: boolean): void }) {
  return <Tick label={t('add.talk')} hint={t('add.talkHint')} isTicked={takesTalk} onChange={onChange} />;
}

/* The test: what it found belongs to the address it was made with, and goes when that changes. */
function useProbe(home: string) {
  const [probe, setProbe] = useState<Probe | null>(null);
  const submit = useSubmit();
  const asked = useRef(0);
  return {
    probe, isBusy: submit.isBusy, error: submit.error,
    forget() {
      asked.current++;
      setProbe(null);
      submit.setError(null);
    },
    test(input: CameraInput & { camera?: string }) {
      const mine = ++asked.current;
      setProbe(null);
      announce(t('add.testing'));
      return submit.run(async () => {
        const found = await api.probe(home, input);
        if (mine === asked.current) setProbe(found);
      });
    },
  };
}

function Testing() {
  return (
    <div class="verdict" role="status">
      <span class="pulse" aria-hidden="true" />
      <div><p class="verdict-what">{t('add.testing')}</p><p class="quiet">{t('add.testingHow')}</p></div>
    </div>
  );
}

/* A camera without an address: this phone, or a program, brings its pictures. */
function AddThisPhone({ data, home }: { data: HomeData; home: Home }) {
  const [name, setName] = useState('');
  const [fault, setFault] = useState('');
  const { isBusy, error, run } = useSubmit();
  const add = (event: Event) => {
    event.preventDefault();
    const found = name.trim() === '' ? t('field.required') : '';
    setFault(found);
    if (found) return;
    void run(async () => {
      let id = '';
      await data.take(async () => {
        const camera = await api.addCamera(home.id, { kind: 'whip', name: name.trim() });
        id = camera.id;
        return camera;
      });
      go({ page: 'publish', home: home.id, camera: id });
    });
  };
  return (
    <form class="card form" onSubmit={add} noValidate>
      <h2><Icon name="phone" /> {t('publish.use')}</h2>
      <p class="quiet">{t('publish.useHow')}</p>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <Field label={t('publish.nameLabel')} value={name} onInput={setName} error={fault} placeholder={t('publish.nameExample')} />
      <button class="button" aria-disabled={isBusy}>{t('publish.useDo')}</button>
    </form>
  );
}

export function AddCamera({ data, home }: { data: HomeData; home: Home }) {
  const [address, setAddress] = useState<Address>(NO_ADDRESS);
  const [takesTalk, setTakesTalk] = useState(false);
  const [fault, setFault] = useState('');
  const [name, setName] = useState('');
  const [nameFault, setNameFault] = useState('');
  const test = useProbe(home.id);
  const adding = useSubmit();
  const nameForm = useRef<HTMLFormElement>(null);
  const works = test.probe?.ok === true;
  useEffect(() => {
    if (works) nameForm.current?.querySelector('input')?.focus();
  }, [works]);

  const runTest = (event: Event) => {
    event.preventDefault();
    const found = address.main.trim() === '' ? t('field.required') : '';
    setFault(found);
    if (!found) void test.test(inputOf(address));
  };
  const add = (event: Event) => {
    event.preventDefault();
    const found = name.trim() === '' ? t('field.required') : '';
    setNameFault(found);
    if (found) return;
    void adding.run(async () => {
      const input: CameraInput = { ...inputOf(address), name: name.trim() };
      if (takesTalk) input.talk = true;
      await data.take(() => api.addCamera(home.id, input));
      notify(t('add.added', { name: name.trim() }));
      go({ page: 'wall', home: home.id });
    });
  };
  return (
    <Page title={t('add.title')}>
      <form class="card form" onSubmit={runTest} noValidate>
        <h2>{t('add.where')}</h2>
        <AddressFields address={address} fault={fault} passwordHint={t('add.passwordHint')}
          onChange={(next) => { setAddress(next); test.forget(); }} />
        <button class={`button${works ? '' : ' is-primary'}`} aria-disabled={test.isBusy}>{t('add.test')}</button>
        {test.isBusy && <Testing />}
        {test.error !== null && <Alert>{sentenceFor(test.error)}</Alert>}
        {test.probe && <ProbeResult probe={test.probe} />}
      </form>
      {works && (
        <form class="card form" onSubmit={add} noValidate ref={nameForm}>
          <h2>{t('add.name')}</h2>
          {adding.error !== null && <Alert>{sentenceFor(adding.error)}</Alert>}
          <Field label={t('add.nameLabel')} value={name} onInput={setName} error={nameFault} placeholder={t('add.nameExample')} />
          <TalkTick takesTalk={takesTalk} onChange={setTakesTalk} />
          <button class="button is-primary" aria-disabled={adding.isBusy}>{t('add.do')}</button>
        </form>
      )}
      {!works && <AddThisPhone data={data} home={home} />}
    </Page>
  );
}

function RemoveSheet({ data, camera, onClose }: { data: HomeData; camera: Camera; onClose(): void }) {
  const { isBusy, error, run } = useSubmit();
  return (
    <Sheet title={t('edit.removeTitle', { name: camera.name })} onClose={onClose}>
      <ul class="consequences">
        <li>{t('edit.removeWhat')}</li>
        <li>{t('edit.removeKeys')}</li>
        <li>{t('edit.removeAgain')}</li>
      </ul>
      {error !== null && <Alert>{sentenceFor(error)}</Alert>}
      <HoldButton label={t('edit.removeDo')} isBusy={isBusy} onHeld={() => void run(async () => {
        await api.removeCamera(camera.home, camera.id);
        data.forget(camera.id);
        go({ page: 'wall', home: camera.home });
      })} />
    </Sheet>
  );
}

export function EditCamera({ data, camera }: { data: HomeData; camera: Camera }) {
  const [name, setName] = useState(camera.name);
  const [address, setAddress] = useState<Address>({
    main: camera.main ?? '', sub: camera.sub ?? '', user: camera.user ?? '', password: '',
  });
  const [fault, setFault] = useState('');
  const [isRemoving, setIsRemoving] = useState(false);
  const { isBusy, error, run } = useSubmit();
  const test = useProbe(camera.home);
  const isBrought = camera.kind === 'whip';
  const [takesTalk, setTakesTalk] = useState(Boolean(camera.talk));
  const back = hrefOf({ page: 'camera', home: camera.home, camera: camera.id });

  const save = (event: Event) => {
    event.preventDefault();
    const found = name.trim() === '' || (!isBrought && address.main.trim() === '') ? t('field.required') : '';
    setFault(found);
    if (found) return;
    void run(async () => {
      const input: CameraInput = { name: name.trim() };
      if (!isBrought && address.main.trim() !== camera.main) input.main = address.main.trim();
      if (address.sub.trim() !== (camera.sub ?? '')) input.sub = address.sub.trim() || null;
      if (address.user.trim() !== (camera.user ?? '')) input.user = address.user.trim() || null;
      if (address.password) input.password = address.password;
      if (takesTalk !== Boolean(camera.talk)) input.talk = takesTalk;
      await data.take(() => api.editCamera(camera.home, camera.id, input));
      notify(t('edit.saved'));
      go({ page: 'camera', home: camera.home, camera: camera.id });
    });
  };
  return (
    <Page title={t('edit.title', { name: camera.name })} back={back}>
      <form class="card form" onSubmit={save} noValidate>
        {error !== null && <Alert>{sentenceFor(error)}</Alert>}
        {camera.cause && !isBrought && camera.state !== 'live' && !test.probe && <CauseBox cause={camera.cause} detail={null} />}
        <Field label={t('add.nameLabel')} value={name} onInput={setName} error={name.trim() === '' ? fault : ''} />
        {isBrought ? <p class="quiet">{t('publish.hasNoAddress')}</p> : (
          <AddressFields address={address} fault={address.main.trim() === '' ? fault : ''}
            passwordHint={t(camera.has_password ? 'add.passwordKept' : 'add.passwordHint')}
            onChange={(next) => { setAddress(next); test.forget(); }} />
        )}
        {!isBrought && <TalkTick takesTalk={takesTalk} onChange={setTakesTalk} />}
        {camera.talk?.cause && <CauseBox cause={camera.talk.cause} detail={camera.talk.detail} isTalk />}
        <div class="form-row">
          {!isBrought && (
            <button type="button" class="button" aria-disabled={test.isBusy}
              onClick={() => void test.test({ ...inputOf(address), camera: camera.id })}>{t('add.test')}</button>
          )}
          <button class="button is-primary" aria-disabled={isBusy}>{t('do.save')}</button>
        </div>
        {test.isBusy && <Testing />}
        {test.error !== null && <Alert>{sentenceFor(test.error)}</Alert>}
        {test.probe && <ProbeResult probe={test.probe} />}
      </form>
      <button type="button" class="button is-danger-quiet" onClick={() => setIsRemoving(true)}>
        <Icon name="trash" /> {t('edit.remove')}
      </button>
      {isRemoving && <RemoveSheet data={data} camera={camera} onClose={() => setIsRemoving(false)} />}
    </Page>
  );
}
