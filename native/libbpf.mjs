/**
 * libbpf for the addon: one pinned Debian source package, built static with -fPIC and hidden
 * symbols, cached by content. Debian's own libbpf.a is not PIC and cannot go into a .node file.
 *
 * The source is fetched by apt with a configuration of its own: the host's sources, lists and
 * packages stay as they are. The mirror is the one the host itself uses.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

const pinned = {
  suite: 'trixie',
  tarball: 'libbpf_1.5.0.orig.tar.gz',
  sha256: '53492aff6dd47e4da04ef5e672d753b9743848bdb38e9d90eafbe190b7983c44',
  flags: '-O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections',
}
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** Where everything big that is built once lies. */
export function cacheRoot() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fairlead')
}

/**
 * Include directory and linker arguments of libbpf.
 * `kind` is 'pinned', or 'debian' where the pinned source cannot be had; `why` then says why.
 */
export function libbpf() {
  const key = sha256(JSON.stringify([pinned, process.arch])).slice(0, 16)
  const target = join(cacheRoot(), `libbpf-${key}`)
  const found = {
    kind: 'pinned',
    include: join(target, 'include'),
    link: join(target, 'lib', 'libbpf.a'),
    why: '',
  }
  if (existsSync(found.link)) return found
  const work = mkdtempSync(join(tmpdir(), 'fairlead-libbpf-'))
  try {
    const tarball = fetchSource(work)
    build(work, tarball, target)
    return found
  } catch (error) {
    if (!existsSync('/usr/include/bpf/libbpf.h')) {
      throw new Error(`libbpf: ${error.message}; and libbpf-dev is not installed either`)
    }
    return { kind: 'debian', include: '/usr/include', link: '-lbpf', why: error.message }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Downloads the pinned tarball into `work` and checks its sum; returns its path. */
function fetchSource(work) {
  const reasons = []
  for (const mirror of mirrors()) {
    try {
      return fetchFrom(work, mirror)
    } catch (error) {
      reasons.push(
        `${mirror}: ${(error.stderr?.toString() || error.message).trim().split('\n').pop()}`,
      )
    }
  }
  throw new Error(
    `cannot fetch ${pinned.tarball}: ${reasons.join('; ') || 'no Debian mirror in the apt sources'}`,
  )
}

function fetchFrom(work, mirror) {
  const at = (...parts) => join(work, 'apt', ...parts)
  rmSync(at(), { recursive: true, force: true })
  for (const dir of ['parts', 'lists/partial', 'cache/archives/partial', 'out']) {
    mkdirSync(at(dir), { recursive: true })
  }
  const signed = existsSync(keyring) ? `Signed-By: ${keyring}\n` : ''
  writeFileSync(
    at('parts', 'fairlead.sources'),
    `Types: deb-src\nURIs: ${mirror}\nSuites: ${pinned.suite}\nComponents: main\n${signed}`,
  )
  const options = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': at('parts'),
    'Dir::State::lists': at('lists'),
    'Dir::Cache': at('cache'),
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  }
  const set = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const apt = (...args) =>
    execFileSync('apt-get', [...set, '-qq', ...args], {
      cwd: at('out'),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  apt('update')
  apt('source', '--download-only', '--tar-only', 'libbpf')
  const path = at('out', pinned.tarball)
  if (!existsSync(path))
    throw new Error(`${pinned.suite} now has ${readdirSync(at('out')).join(', ')}`)
  const sum = sha256(readFileSync(path))
  if (sum !== pinned.sha256)
    throw new Error(`${pinned.tarball} has sha256 ${sum}, not ${pinned.sha256}`)
  return path
}

/** Debian mirrors of the host's own apt sources, in their order; security archives have no source of ours. */
function mirrors() {
  const texts = ['/etc/apt/sources.list']
  const parts = '/etc/apt/sources.list.d'
  if (existsSync(parts))
    texts.push(
      ...readdirSync(parts)
        .sort()
        .map((name) => join(parts, name)),
    )
  const found = new Set()
  for (const path of texts.filter((path) => /\.(list|sources)$/.test(path) && existsSync(path))) {
    const text = readFileSync(path, 'utf8').replace(/^\s*#.*\n?/gm, '')
    for (const match of text.matchAll(/\b(?:https?|mirror\+\w+|file|cdrom):\S+/g)) {
      const uri = match[0].replace(/\/$/, '')
      if (/\/debian$/.test(uri)) found.add(uri)
    }
  }
  return [...found]
}

/** Unpacks and builds in `work`, then moves the result to `target` at once: builds may run side by side. */
function build(work, tarball, target) {
  const quiet = { stdio: ['ignore', 'pipe', 'pipe'] }
  execFileSync('tar', ['-xzf', tarball, '-C', work], quiet)
  const source = readdirSync(work).find((name) => name.startsWith('libbpf-'))
  if (source === undefined) throw new Error(`${pinned.tarball} holds no libbpf directory`)
  const out = join(work, 'out')
  const make = (...goals) =>
    execFileSync(
      'make',
      [
        '-C',
        join(work, source, 'src'),
        `-j${availableParallelism()}`,
        'BUILD_STATIC_ONLY=1',
        `CFLAGS=${pinned.flags}`,
        `OBJDIR=${join(work, 'obj')}`,
        `DESTDIR=${out}`,
        'PREFIX=',
        'LIBDIR=/lib',
        ...goals,
      ],
      quiet,
    )
  mkdirSync(join(work, 'obj'))
  make('install', 'install_uapi_headers')
  mkdirSync(cacheRoot(), { recursive: true })
  const staged = mkdtempSync(join(cacheRoot(), '.libbpf-'))
  cpSync(out, staged, { recursive: true })
  try {
    renameSync(staged, target)
  } catch (error) {
    rmSync(staged, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
}
