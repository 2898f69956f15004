/**
 * Proof that README's two commands work on a fresh machine: a bare Debian 12 root with git, curl,
 * Node 20 and npm and nothing else, a clone of this checkout's HEAD, `npm run demo`, `npm test`.
 *
 *     tsx test/bare/run.ts [demo]     `demo`: without the second command
 *
 * The root is a directory entered by chroot in mount and pid namespaces of its own: whatever
 * happens in it, no mount and no process outlives it. The kernel is shared, so what a command
 * leaves there shows in the listings that are compared. Long: part of `npm run test:long` only.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { built, cacheDirectory, repository } from '../support/parts.ts'

const nodePackage = `node-linux-${process.arch}@20.20.2`
const npmPackage = 'npm@10.9.9'
/** Where the checkout and the home directory lie inside the root. */
const inside = { checkout: '/srv/fairlead', home: '/srv/home', scripts: '/srv' }

function run(program: string, ...rest: string[]): string {
  return execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Unpacks an npm package into `directory`. */
function unpackPackage(name: string, directory: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'fairlead-pack-'))
  try {
    const file = run('npm', 'pack', name, '--silent', '--pack-destination', scratch).trim()
    mkdirSync(directory, { recursive: true })
    run('tar', '-xzf', join(scratch, file), '-C', directory, '--strip-components=1')
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The bare root as an archive; made once a machine (half a minute). */
function bareRootArchive(): Promise<string> {
  const name = `bare-${nodePackage}-${npmPackage}.tar`.replaceAll('@', '-')
  return built(join(cacheDirectory(), name), 'a bare Debian 12 root', async (temporary) => {
    const root = `${temporary}.d`
    try {
      const packages = '--include=ca-certificates,git,curl'
      run('debootstrap', '--variant=minbase', packages, 'bookworm', root)
      unpackPackage(nodePackage, join(root, 'usr/local'))
      const npm = join(root, 'usr/local/lib/node_modules/npm')
      unpackPackage(npmPackage, npm)
      for (const command of ['npm', 'npx']) {
        chmodSync(join(npm, `bin/${command}-cli.js`), 0o755)
        const link = join(root, 'usr/local/bin', command)
        symlinkSync(`../lib/node_modules/npm/bin/${command}-cli.js`, link)
      }
      run('tar', '-cf', temporary, '-C', root, '.')
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })
}

/** What the network of this machine needs besides: resolver, certificates, proxies. */
function carryInNetwork(root: string): Record<string, string> {
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
  const bundle = '/etc/ssl/certs/ca-certificates.crt'
  if (existsSync(bundle)) copyFileSync(bundle, join(root, bundle))
  const carried: Record<string, string> = {}
  for (const [name, value = ''] of Object.entries(process.env)) {
    if (/^(https?_proxy|no_proxy|GOPROXY|GOSUMDB|GONOSUMDB|GOFLAGS)$/i.test(name)) {
      carried[name] = value
    }
  }
  const ownBundle = process.env['NODE_EXTRA_CA_CERTS']
  if (ownBundle !== undefined && existsSync(ownBundle)) {
    copyFileSync(ownBundle, join(root, 'etc/ssl/certs/extra.crt'))
    carried['NODE_EXTRA_CA_CERTS'] = '/etc/ssl/certs/extra.crt'
  }
  return carried
}

/** Directory of the Go that is in PATH, if any. */
function goRoot(): string | undefined {
  const result = spawnSync('go', ['env', 'GOROOT'], { encoding: 'utf8' })
  return result.status === 0 ? result.stdout.trim() : undefined
}

/** What the machine shows of BPF, tc, nft, namespaces, cgroups and mounts, one text. */
const listings = [
  'bpftool prog show',
  'bpftool map show',
  'bpftool link show',
  'bpftool cgroup tree /sys/fs/cgroup',
  'tc qdisc show',
  'nft list ruleset',
  'ip netns list',
  'ip -br link show',
  'find /sys/fs/cgroup -type d',
  'find /sys/fs/bpf',
  'cut -d " " -f 1-4 /proc/self/mounts',
]

interface Place {
  readonly root: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Runs a shell line in the root, the listings of the kernel before and after it from outside the
 * root but with its mounts. Echoes as it goes.
 */
function runInside(place: Place, line: string, extra: { go?: string; cache?: string } = {}) {
  const script = join(place.root, inside.scripts, 'enter.sh')
  const bind = (from: string, to: string) => {
    return `mkdir -p "$root${to}"; mount --bind "${from}" "$root${to}"`
  }
  const list = (file: string) => {
    return `{ ${listings.map((one) => `echo "# ${one}"; ${one} 2>&1`).join('; ')}; } >"$root/srv/${file}"`
  }
  const path = '/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const environment = { ...place.environment, HOME: inside.home, PATH: path, LANG: 'C.UTF-8' }
  const words = Object.entries(environment).map(([name, value]) => `'${name}=${value}'`)
  const lines = [
    'set -u',
    `root=${place.root}`,
    // A root that is no mount of its own is one that `ip -n` can't make private: no machine has that.
    'mount --bind "$root" "$root"',
    'mount -t proc proc "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"',
    'mount -t tmpfs tmpfs "$root/run"; mount -t tmpfs tmpfs "$root/tmp"',
    ...(extra.go === undefined ? [] : [bind(extra.go, '/usr/local/go')]),
    ...(extra.cache === undefined ? [] : [bind(extra.cache, `${inside.home}/.cache/fairlead`)]),
    list('before'),
    `{ env -i ${words.join(' ')} chroot "$root" sh -c 'cd ${inside.checkout} && ${line}'`,
    'echo $? >"$root/srv/status"; } | tee "$root/srv/output"',
    list('after'),
  ]
  writeFileSync(script, `${lines.join('\n')}\n`)
  const started = performance.now()
  const unshare = ['--mount', '--pid', '--fork', '--kill-child', 'sh', script]
  spawnSync('unshare', unshare, { stdio: ['ignore', 'inherit', 'inherit'] })
  const read = (file: string) => readFileSync(join(place.root, inside.scripts, file), 'utf8')
  return {
    isFine: read('status').trim() === '0',
    stdout: read('output'),
    seconds: (performance.now() - started) / 1000,
    before: read('before'),
    after: read('after'),
  }
}

/** Lines that only one of two listings has, with a sign in front. */
function difference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`)
  const come = now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)
  return [...gone, ...come].join('\n')
}

let passed = 0
let failed = 0

function check(title: string, isTrue: boolean, details = ''): void {
  if (isTrue) passed++
  else failed++
  console.log(
    `${isTrue ? 'ok    ' : 'FAILED'} ${title}${isTrue || details === '' ? '' : `\n${details}`}`,
  )
}

function checkRun(what: string, result: ReturnType<typeof runInside>): void {
  check(`${what} ends well (${result.seconds.toFixed(0)} s)`, result.isFine)
  const left = difference(result.before, result.after)
  check(`${what} leaves nothing behind`, left === '', left)
}

async function main(): Promise<void> {
  const archive = await bareRootArchive()
  const root = mkdtempSync(join(tmpdir(), 'fairlead-bare-'))
  try {
    run('tar', '-xf', archive, '-C', root)
    const place = { root, environment: carryInNetwork(root) }
    mkdirSync(join(root, inside.home), { recursive: true })
    run('git', 'clone', '--quiet', '--no-hardlinks', repository, join(root, inside.checkout))

    checkRun('npm run demo on a fresh machine', runInside(place, 'npm run demo'))
    const again = runInside(place, 'npm run --silent demo')
    checkRun('npm run demo once more', again)
    check('npm run demo takes less than 15 s when warm', again.seconds < 15, `${again.seconds} s`)
    if (process.argv.includes('demo')) return

    const go = goRoot()
    const extra = { cache: dirname(archive), ...(go === undefined ? {} : { go }) }
    const tests = runInside(place, go === undefined ? 'npm test' : 'CI=true npm test', extra)
    checkRun('npm test on a fresh machine', tests)
    check('its last line counts 0 failed', /\d+ passed, 0 failed\s*$/.test(tests.stdout))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

await main()
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
