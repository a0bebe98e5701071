/* The shapes of docs/api.md. Times are RFC 3339 text, as they stand on the wire. */

export type Role = 'owner' | 'adult' | 'child' | 'guest';
export const ROLES: readonly Role[] = ['owner', 'adult', 'child', 'guest'];

export type CameraState =
  | 'connecting'
  | 'live'
  | 'unreachable'
  | 'wrong_password'
  | 'unsupported'
  | 'stopped'
  | 'off';

export const CAUSES = [
  'address_refused',
  'name_not_found',
  'no_route',
  'connection_refused',
  'timeout',
  'wrong_password',
  'not_found',
  'no_video',
  'codec_unsupported',
  'protocol',
  'too_many_sessions',
  'no_pictures',
  'closed',
  'publisher_lost',
  'not_allowed',
  'talk_refused',
  'no_loudspeaker',
] as const;
export type Cause = (typeof CAUSES)[number];

export const RIGHTS = ['view', 'listen', 'talk', 'publish', 'move', 'history', 'export'] as const;
export type Right = (typeof RIGHTS)[number];

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/* What a grant gives, and when; what is null sets no bound. Absent: an older server. */
export interface Terms {
  rights: Right[];
  days?: Day[] | null;
  from?: string | null; // "18:00", by the home's clock
  to?: string | null;
  not_before?: string | null;
  not_after?: string | null;
}

export type StreamName = 'main' | 'sub';

export interface SoundInfo {
  codec: 'pcmu' | 'pcma' | 'aac' | 'opus';
  rate: number;
  channels: number;
}

/* Speaking to a camera that has a loudspeaker. */
export interface TalkInfo {
  state: 'idle' | 'connecting' | 'open' | 'failed';
  cause: Cause | null;
  detail: string | null;
}

/* What becomes of what is said in a WebRTC session. */
export interface Speech {
  state: 'silent' | 'connecting' | 'open' | 'taken' | 'not_allowed' | 'failed';
  cause: Cause | null; // of `failed`
  detail: string | null;
  packets: number;
  dropped: number;
}

export interface StreamInfo {
  codec: string | null;
  width: number | null;
  height: number | null;
  fps: number | null;
  bits_per_second?: number | null;
  last_frame?: string | null;
}

export interface Camera {
  home: string;
  id: string;
  name: string;
  kind?: 'rtsp' | 'whip'; // whip: its pictures are brought; absent: an older server
  state: CameraState;
  state_since: string;
  cause: Cause | null;
  next_try: string | null;
  streams: { main: StreamInfo; sub: StreamInfo | null };
  sound?: SoundInfo | null; // what is heard there now
  talk?: TalkInfo | null; // null: it takes no talk; absent: an older server
  rights?: Right[] | undefined; // what we may do with it; absent: an older server
  not_now?: { reason: string; opens: string } | null | undefined; // nothing at the moment, but from then on
  /* Only the home's owner receives what follows. */
  viewers?: number;
  main?: string | null;
  sub?: string | null;
  user?: string | null;
  has_password?: boolean;
}

export interface CameraInput {
  name?: string;
  kind?: 'whip';
  main?: string;
  sub?: string | null;
  user?: string | null;
  password?: string;
  talk?: boolean; // it has a loudspeaker
}

export interface Probe {
  ok: boolean;
  failure: Cause | null;
  failed_stream: StreamName | null;
  detail: string | null;
  main: StreamInfo | null;
  sub: StreamInfo | null;
  still: string | null;
  transport: 'tcp' | 'udp' | null;
}

export interface Home {
  id: string;
  name: string;
  time_zone?: string; // whose clock its hours are of; absent: an older server
  role: Role | null;
  cameras?: number;
  people?: number; // for an operator
  suspended?: { since: string; by: string; why: string } | null; // its pictures have been stopped
}

/* Of a file of homes: what was made, or is wrong with it. */
export interface ImportedHome {
  name: string;
  owner: string;
  cameras: number;
  token?: string; // of its first owner's invitation
}
export interface HomesFault {
  line: number;
  column: number;
  name: string | null;
  cause: string; // one that is known (pages/homes.tsx), or of a later server
  detail: string; // the same in English
}

/* An invitation to a home, as its owners see it. */
/* A look through one camera for somebody without an account, as its owners see it. */
export interface GuestLink {
  id: string;
  camera: string;
  label: string;
  state: 'open' | 'not-yet' | 'used-up' | 'over' | 'revoked' | 'without-maker';
  made_by: string;
  created: string;
  from: string;
  until: string;
  opened: number;
  opened_max: number | null;
  last_opened: string | null;
  looks: { opened: string; device: string; network: string; may_look: boolean }[];
}

/* And as whoever opened it does. */
export interface Look {
  camera: string; // its name
  has_sub: boolean;
  from: string;
  until: string;
  now: string;
}

export interface Invitation {
  id: string;
  role: Role;
  label: string;
  state: 'open' | 'used' | 'expired';
  expires: string;
  used_by: { id: string; name: string } | null;
}

/* An API token: a program's way to one camera, in somebody's name. */
export interface Token {
  id: string;
  name: string; // '' without one
  account: string;
  camera: string;
  rights: Right[];
  created: string;
  expires: string;
  last_used: string | null;
}
export type TokenMade = Token & { token: string };
/* Where programs are heard by RTSP. */
export interface TokenPorts {
  port: number | null;
  tls_port: number | null;
}

/* What the secret of an invitation leads to. */
export interface Welcome {
  home: { id: string; name: string };
  role: Role;
  made_by: string;
  is_member: boolean;
}

export interface Session {
  account: { id: string; name: string; is_operator: boolean; has_totp?: boolean };
  homes: Home[];
  expires: string;
}

/* The password was right, and a code is wanted. */
export interface CodeWanted {
  factor: 'totp';
  pending: string;
  expires_in_s: number;
}

export interface TotpState {
  state: 'off' | 'on' | 'held-off';
  since: string | null;
}

/* Told once: in base32, and as what a QR code holds. */
export interface TotpTold {
  secret: string;
  uri: string;
  expires_in_s: number;
}

/* One of one's own sessions. `device` is what the browser says of itself. */
export interface SignedInAt {
  id: string;
  is_this: boolean;
  method: 'unknown' | 'password' | 'passkey' | 'recovery' | 'setup' | 'password-and-code';
  device: string;
  network: string;
  created: string;
  last_used: string;
  authenticated: string | null;
  expires: string;
}

/* What the audit tells of (docs/api.md, ENTRY). */
export const AUDIT_KINDS = [
  'sign-in', 'sign-in-refused', 'sign-out', 'password-changed', 'setup', 'home-added', 'home-removed', 'member-added', 'member-role',
  'member-removed', 'grant-put', 'grant-removed', 'token-made', 'token-revoked', 'cut', 'camera-added', 'camera-changed', 'camera-removed',
  'view-begin', 'view-end', 'view-refused', 'opening-refused', 'evidence-alarm',
  'passkey-added', 'passkey-removed', 'passkey-refused', 'recovery-made', 'recovery-used', 'group-made', 'group-changed', 'group-deleted',
  'group-grant-put', 'group-grant-removed', 'invitation-made', 'invitation-taken', 'invitation-ended', 'invitation-refused', 'home-changed',
  'home-suspended', 'home-resumed', 'home-handed-over', 'moved-out', 'session-ended', 'sessions-ended', 'password-reset', 'account-added',
  'account-removed', 'everyone-out', 'person-signed-out', 'guest-link-made', 'guest-link-revoked', 'guest-link-opened', 'guest-link-refused',
  'totp-added', 'totp-removed', 'sign-in-again', 'account-held-off', 'account-restored',
] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];
export type AuditGroup = 'people' | 'rights' | 'cameras' | 'views' | 'refusals' | 'server';

export interface SeenFrames {
  stream: string;
  first: number;
  last: number;
  frames: number;
}

/* Rights and when they hold: of what was granted. */
export interface AuditEntry extends Partial<Terms> {
  number: number;
  time: string;
  kind: string; // AuditKind, or one of a later server
  camera: string | null;
  account: string | null;
  name: string | null;
  other: string | null;
  other_name: string | null;
  cause?: string;
  count?: number;
  since?: string;
  role?: Role;
  group?: string;
  command?: true; // a command on the server's machine did it
  path?: string;
  frames?: SeenFrames[];
  network?: string;
  device?: string;
}

export interface Viewing {
  entry: number;
  account: string;
  name: string | null;
  path: string;
  begin: string;
  end: string | null;
  is_over: boolean;
  cause: string;
  frames: SeenFrames[];
}

/* What logging everyone out ends, or did. */
export interface Everyone {
  people: number;
  elsewhere: number; // of them: belong to another home as well
  sessions: number;
  programs: number;
  invitations: number;
  links: number; // of guests
  watching: number; // by people
  programs_watching: number;
}
export interface EveryoneReceipt extends Everyone {
  cameras: number;
  at: string;
  by: { id: string; name: string };
}

export interface Watching {
  camera: string;
  account: string;
  name: string;
  path: string;
  since: string;
  session: string; // what it was asked for by: a device's session, a program's token; '' when that is over
  device: string;
  is_program: boolean;
  is_this: boolean;
}

export interface Person {
  account: string;
  name: string;
  role: Role;
  cameras: ({ camera: string } & Terms)[];
  sessions: number;
  watching: string[];
}

/* Cameras that rights are given on together. */
export interface Group {
  id: string;
  name: string;
  cameras: string[];
  people: ({ account: string } & Terms)[];
}

/* What ended when somebody moved out. */
export interface Receipt {
  account: { id: string; name: string };
  by: { id: string; name: string };
  at: string;
  homes: {
    id: string;
    name: string;
    destroyed: boolean;
    cameras: { id: string; epoch: number | null }[];
    grants: number;
    tokens: number;
    invitations: number;
  }[];
}

/* Why somebody may see a camera now, or may not. */
export interface Why {
  account: string;
  camera: string;
  allowed: boolean;
  reason: string;
  sentence: string;
  rights: Right[];
  grant: Terms | null;
  until: string | null;
  opens: string | null;
  history_from: string | null;
}

export interface Viewer {
  account: string;
  link?: string; // of a guest; his account is empty
  name: string;
  stream: StreamName | 'sound';
  sound?: boolean; // hears it too
  since: string;
}

export interface ServerInfo {
  version: string;
  setup_needed: boolean;
  ca: { fingerprint_sha256: string } | null;
  time: string;
  demo: boolean;
  webrtc?: boolean; // absent: an older server
  passkeys?: { here: boolean; names: string[] }; // do they work at this address; where else
}

export interface Passkey {
  id: string;
  name: string;
  site: string; // the name of the server that it works under
  synced: boolean;
  created: string;
  last_used: string | null;
}

export interface PasskeyList {
  passkeys: Passkey[];
  recovery: { left: number; made: string | null };
}

/* The standard's own shapes; what is bytes there is base64url here. */
interface PasskeyName {
  type: 'public-key';
  id: string;
}

export interface PasskeyAsk {
  challenge: string;
  rpId: string;
  timeout: number;
  userVerification: 'required';
  allowCredentials: PasskeyName[];
}

export interface PasskeyOptions {
  challenge: string;
  rp: { id: string; name: string };
  user: { id: string; name: string; displayName: string };
  pubKeyCredParams: { type: 'public-key'; alg: number }[];
  timeout: number;
  excludeCredentials: PasskeyName[];
  authenticatorSelection: { residentKey: 'required'; requireResidentKey: boolean; userVerification: 'required' };
  attestation: 'none';
}

export interface PasskeyMade {
  name: string;
  client_data: string;
  attestation: string;
}

export interface PasskeyShown {
  credential: string;
  user_handle: string;
  client_data: string;
  authenticator_data: string;
  signature: string;
}
