/* This phone (or laptop) as a camera: its picture as others will see it, its sound if it is asked for,
 * one button to start and stop, and in words what keeps it from that. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { whipPath } from '../api/client';
import type { Camera } from '../api/types';
import { t, type Key } from '../i18n';
import { WhipRun, type WhipEnd } from '../player/whip';
import { hrefOf } from '../state/route';
import { announce } from '../ui/announce';
import { Alert, Choices, sentenceFor } from '../ui/form';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { useMicrophone, type Microphone } from './microphone';

type Facing = 'environment' | 'user';

/* Why there is no picture of this device's. */
type Trouble = 'insecure' | 'denied' | 'absent' | 'busy' | 'taken' | 'noCodec' | 'already' | 'refused' | 'notAllowed';

const RETRY_MS = [1_000, 2_000, 4_000, 8_000];

function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'absent';
  return 'busy';
}

async function openCamera(facing: Facing): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } },
  });
}

/* The picture of this device, for as long as the page is there. */
function useOwnCamera(facing: Facing) {
  const [stream, setStream] = useState<MediaStream | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let isHere = true;
    let mine: MediaStream | null = null;
    setTrouble(null);
    if (!window.isSecureContext || !navigator.mediaDevices) {
      setTrouble('insecure');
      return undefined;
    }
    openCamera(facing).then((opened) => {
      mine = opened;
      if (!isHere) {
        stopStream(opened);
        return;
      }
      /* Another app took it, or it was unplugged. */
      opened.getVideoTracks()[0]?.addEventListener('ended', () => { if (isHere) { setStream(null); setTrouble('taken'); } });
      setStream(opened);
    }).catch((error: unknown) => { if (isHere) setTrouble(troubleOf(error)); });
    return () => {
      isHere = false;
      if (mine) stopStream(mine);
    };
  }, [facing, tries]);
  return { stream, trouble, again: () => setTries(tries + 1) };
}

function stopStream(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/* A screen that goes dark ends the pictures: it stays on while they are sent. */
function useWakeLock(isWanted: boolean): boolean {
  const [isHeld, setIsHeld] = useState(false);
  useEffect(() => {
    if (!isWanted || !('wakeLock' in navigator)) return undefined;
    let lock: WakeLockSentinel | null = null;
    let isHere = true;
    const take = () => {
      if (document.hidden) return;
      navigator.wakeLock.request('screen').then((taken) => {
        lock = taken;
        if (!isHere) void taken.release();
        else setIsHeld(true);
        taken.addEventListener('release', () => setIsHeld(false));
      }).catch(() => undefined);
    };
    take();
    document.addEventListener('visibilitychange', take);
    return () => {
      isHere = false;
      document.removeEventListener('visibilitychange', take);
      void lock?.release();
    };
  }, [isWanted]);
  return isHeld;
}

type Sending = 'off' | 'connecting' | 'on' | 'again';

function troubleOfEnd(end: WhipEnd): Trouble | null {
  if (end.kind === 'no-codec') return 'noCodec';
  if (end.kind === 'lost') return null;
  if (end.problem.name_ === 'already-publishing') return 'already';
  if (end.problem.name_ === 'offline' || end.problem.status === 503) return null;
  return [401, 403, 404].includes(end.problem.status) ? 'notAllowed' : 'refused';
}

/* Sends the stream while `isWanted`; what is lost is begun again, a little later each time. */
function usePublishing(camera: Camera, stream: MediaStream | null, sound: MediaStreamTrack | null, isWanted: boolean) {
  const [sending, setSending] = useState<Sending>('off');
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [said, setSaid] = useState('');
  const run = useRef<WhipRun | null>(null);
  const track = stream?.getVideoTracks()[0] ?? null;
  const latest = useRef({ track, sound });
  latest.current = { track, sound };
  useEffect(() => {
    if (track) void run.current?.replace(track).catch(() => undefined);
  }, [track]);
  useEffect(() => {
    void run.current?.hear(sound).catch(() => undefined);
  }, [sound]);
  const isReady = isWanted && track !== null;
  useEffect(() => {
    if (!isReady) return undefined;
    let isHere = true;
    let lost = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begin = () => {
      if (!latest.current.track) return;
      run.current = new WhipRun(whipPath(camera.home, camera.id), {
        onConnected: () => { lost = 0; setSending('on'); },
        onEnd: (end) => {
          if (!isHere) return;
          const found = troubleOfEnd(end);
          setTrouble(found);
          setSaid(end.kind === 'refused' ? sentenceFor(end.problem) : '');
          setSending(found ? 'off' : 'again');
          if (!found) timer = setTimeout(begin, RETRY_MS[Math.min(lost++, RETRY_MS.length - 1)]);
        },
      });
      run.current.start(latest.current.track, latest.current.sound);
    };
    setTrouble(null);
    setSending('connecting');
    begin();
    return () => {
      isHere = false;
      clearTimeout(timer);
      run.current?.stop();
      run.current = null;
      setSending('off');
    };
  }, [isReady, camera.home, camera.id]);
  return { sending, trouble, said };
}

function TroubleBox({ trouble, said, onAgain }: { trouble: Trouble; said: string; onAgain(): void }) {
  return (
    <div class="verdict is-bad" role="alert">
      <Icon name="warn" size={24} />
      <div class="verdict-text">
        <p class="verdict-what">{t(`publish.${trouble}.what`)}</p>
        <p>{trouble === 'refused' && said ? said : t(`publish.${trouble}.fix`)}</p>
        {!['insecure', 'noCodec'].includes(trouble) && (
          <button type="button" class="button" onClick={onAgain}>{t('publish.again')}</button>
        )}
      </div>
    </div>
  );
}

/* Whether others hear this device is always in view. */
function SoundChip({ microphone, isSent }: { microphone: Microphone; isSent: boolean }) {
  const isOn = microphone.track !== null && !microphone.isMuted;
  const word: Key = microphone.track === null ? 'publish.silent' : microphone.isMuted ? 'publish.micMuted'
    : isSent ? 'publish.heard' : 'publish.soundReady';
  return (
    <p class="chip publish-sound" role="status" data-sound={isOn ? 'on' : 'off'}>
      <Icon name={isOn ? 'mic' : 'micOff'} size={16} /> <span>{t(word)}</span>
    </p>
  );
}

const WORDS: Record<Sending, Key> = {
  off: 'publish.ready', connecting: 'publish.connecting', on: 'publish.on', again: 'publish.lost',
};

export function Publish({ camera }: { camera: Camera }) {
  const [facing, setFacing] = useState<Facing>('environment');
  const [isWanted, setIsWanted] = useState(false);
  const [isHeard, setIsHeard] = useState(false);
  const own = useOwnCamera(facing);
  const microphone = useMicrophone(isHeard);
  const { sending, trouble, said } = usePublishing(camera, own.stream, microphone.track, isWanted);
  const isHeld = useWakeLock(isWanted);
  const preview = useRef<HTMLVideoElement>(null);
  const shown = own.trouble ?? trouble;
  useEffect(() => {
    if (preview.current) preview.current.srcObject = own.stream;
  }, [own.stream]);
  useEffect(() => {
    if (trouble) setIsWanted(false);
  }, [trouble]);
  useEffect(() => {
    if (microphone.trouble) setIsHeard(false);
  }, [microphone.trouble]);
  const word = own.stream ? t(WORDS[sending]) : t('publish.asking');
  useEffect(() => {
    if (isWanted) announce(word);
  }, [word, isWanted]);
  const again = () => {
    if (own.trouble) own.again();
    else setIsWanted(true);
  };
  return (
    <Page title={t('publish.title', { name: camera.name })} back={hrefOf({ page: 'camera', home: camera.home, camera: camera.id })}>
      <div class="publish">
        <div class={`publish-stage is-${sending}`} data-state={shown ? 'trouble' : own.stream ? sending : 'asking'}>
          <video ref={preview} class={facing === 'user' ? 'is-mirrored' : ''} muted autoPlay playsInline
            aria-label={t('publish.preview')} tabIndex={-1} />
          {!shown && (
            <p class="chip" role="status">
              <Icon name={sending === 'on' ? 'eye' : 'dots'} size={16} /> <span>{word}</span>
            </p>
          )}
          {!shown && <SoundChip microphone={microphone} isSent={sending === 'on'} />}
        </div>
        {shown && <TroubleBox trouble={shown} said={said} onAgain={again} />}
        <Choices legend={t('publish.which')} value={facing} isRow onChange={(value) => setFacing(value)}
          choices={[{ value: 'environment', label: t('publish.back') }, { value: 'user', label: t('publish.front') }]} />
        <Choices legend={t('publish.sound')} value={isHeard ? 'on' : 'off'} isRow onChange={(value) => setIsHeard(value === 'on')}
          choices={[{ value: 'off', label: t('publish.soundOff') }, { value: 'on', label: t('publish.soundOn') }]} />
        {microphone.trouble && <Alert>{t(`publish.${microphone.trouble}`)}</Alert>}
        <button type="button" class={`button publish-do ${isWanted ? '' : 'is-primary'}`} aria-pressed={isWanted}
          aria-disabled={!own.stream} onClick={() => { if (own.stream || isWanted) setIsWanted(!isWanted); }}>
          {t(isWanted ? 'publish.stop' : 'publish.start')}
        </button>
        <p class="hint">{t(isWanted && !isHeld ? 'publish.stayAwake' : 'publish.hint')}</p>
      </div>
    </Page>
  );
}
