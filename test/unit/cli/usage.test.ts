import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { agentCommand, commands } from '../../../agent/cli/commands.ts'
import { exitCodes, exitCodeTexts } from '../../../agent/cli/report.ts'
import { selectorOf } from '../../../agent/cli/selector.ts'
import { everything } from '../../../agent/api/view.ts'
import { agentFlags } from '../../../agent/config.ts'
import { FairleadError } from '../../../agent/errors.ts'
import { say } from '../../support/io.ts'

const all = [agentCommand, ...commands]

describe('help', () => {
  test.each(all.map((command) => [command.path.join(' '), command] as const))(
    '%s: its help fits a screen and has its summary, options and two examples',
    async (_name, command) => {
      const said = await say([...command.path, '--help'])
      expect(said.code).toBe(0)
      expect(said.err).toBe('')
      expect(said.out).toContain(`fairlead ${command.path.join(' ')}`)
      expect(said.out).toContain(command.summary)
      expect(said.out.split('\n').length).toBeLessThanOrEqual(40)
      for (const { flags } of command.options) expect(said.out).toContain(flags)
      expect(command.examples).toHaveLength(2)
      for (const example of command.examples) expect(said.out).toContain(example)
    },
  )

  test('every example can be parsed by the command it belongs to', async () => {
    for (const { path, examples } of commands) {
      for (const example of examples) {
        const line = example.replace(/ \|.*$/, '').replace(/^\. <\((.*)\)$/, '$1')
        const words = line
          .split(' ')
          .slice(1)
          .map((word) => word.replaceAll('"', ''))
        const asked = await say([...words, '--help'])
        expect(asked.code, example).toBe(0)
        expect(asked.out).toContain(`fairlead ${path.join(' ')}`)
      }
    }
  })

  test('without words it is the help of all, and a noun alone is a usage error', async () => {
    const bare = await say([])
    expect(bare.code).toBe(0)
    for (const { path } of all) expect(bare.out).toContain(`  ${path[0]} `)
    expect(await say(['service'])).toMatchObject({ code: 2, out: '' })
  })

  test('exit codes are listed, each once', async () => {
    const said = await say(['help', 'exit-codes'])
    expect(said.code).toBe(0)
    expect(exitCodeTexts.map(([code]) => code)).toEqual(Object.values(exitCodes))
    for (const [code, text] of exitCodeTexts) expect(said.out).toContain(`${code}  ${text}\n`)
  })
})

describe('usage errors', () => {
  test.each([
    [['stauts'], /Did you mean status/],
    [['service', 'lsit'], /Did you mean list/],
    [['status', '--outptu', 'json'], /Did you mean --output/],
    [['status', '-o', 'yaml'], /Allowed choices are table, json/],
    [['status', 'now'], /too many arguments/],
    [['service', 'get', 'a/b/c'], /'a\/b\/c' names no Service/],
    [['service', 'get', '10.96.0.1:0'], /names no Service/],
    [['service', 'list', 'shop/web', '-n', 'other'], /not in namespace other/],
    [['status', '--timeout', 'soon'], /--timeout: 'soon' is no duration/],
    [['status', '--timeout', '0'], /--timeout: '0' is not between/],
    [['status', '--run-dir', 'relative'], /--run-dir: 'relative' is no absolute path/],
    [['events', '--count', '-1'], /--count/],
    [['completion', 'tcsh'], /'tcsh' is none of bash, zsh, fish/],
    [['cleanup'], /no terminal to ask on/],
  ])('%j exits with 2 and says what to try', async (words, complaint) => {
    const said = await say(words)
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toMatch(/^fairlead: /)
    expect(said.err).toMatch(complaint)
    expect(said.err).toMatch(/\ntry: .+\n$/)
  })
})

describe('the word for a Service', () => {
  test.each([
    ['shop/web', { namespace: 'shop', name: 'web' }],
    ['web', { name: 'web' }],
    ['12', { id: 12 }],
    ['10.96.0.1:443', { frontend: '10.96.0.1:443' }],
    ['010.096.0.1:443', { frontend: '10.96.0.1:443' }],
    ['[FD00:0::1]:53', { frontend: '[fd00::1]:53' }],
    ['*:30080', { frontend: '*:30080' }],
    [':30080', { frontend: '*:30080' }],
  ])('%s', (word, wanted) => {
    expect(selectorOf(word, '')).toEqual({ ...everything, ...wanted })
  })
})

describe('bypass', () => {
  test('on and off reach the switch, and status tells how it stands', async () => {
    const seen: unknown[] = []
    let isOn = false
    const doors = {
      bypass: () =>
        Promise.resolve({
          setBypass: (bpffs: string, on: boolean) => {
            seen.push([bpffs, on])
            isOn = on
          },
          getBypass: () => isOn,
        }),
    }
    const on = await say(['bypass', 'on', '--bpffs', '/sys/fs/bpf/x'], { doors })
    expect(on).toEqual({ code: 0, err: '', out: 'bypass is on: nothing new is translated\n' })
    const told = await say(['bypass', 'status', '-o', 'json'], { doors })
    expect(JSON.parse(told.out)).toEqual({ apiVersion: 'fairlead.v1', kind: 'Bypass', isOn: true })
    await say(['bypass', 'off'], { doors })
    expect(seen).toEqual([
      ['/sys/fs/bpf/x', true],
      ['/sys/fs/bpf/fairlead', false],
    ])
  })
})

describe('cleanup', () => {
  const removing = (seen: unknown[]) => ({
    cleanup: () =>
      Promise.resolve({
        cleanup: (options: object) => {
          seen.push(options)
          return Promise.resolve(['link sock_connect4', 'map frontends'])
        },
      }),
  })

  test('with --yes removes and names what it removed', async () => {
    const seen: unknown[] = []
    const words = ['cleanup', '--yes', '--bpffs', '/b/', '--cgroup', '/c']
    const said = await say(words, { doors: removing(seen) })
    expect(said.out).toBe('removed link sock_connect4\nremoved map frontends\n')
    expect(seen).toEqual([{ bpffs: '/b', cgroup: '/c' }])
  })

  test('on a terminal it asks, and only yes is yes', async () => {
    for (const [answer, code] of [
      ['', 1],
      ['n', 1],
      ['yesterday', 1],
      ['y', 0],
      ['YES', 0],
    ] as const) {
      const seen: unknown[] = []
      const said = await say(['cleanup'], {
        io: { inIsTty: true, ask: () => Promise.resolve(answer) },
        doors: removing(seen),
      })
      expect([said.code, seen.length], answer).toEqual([code, code === 0 ? 1 : 0])
    }
  })

  test('pins held by an agent are an error that says so', async () => {
    const held = new FairleadError('AGENT_RUNNING', 'lock /b: held by pid 7', 'stop that agent')
    const said = await say(['cleanup', '--yes'], {
      doors: { cleanup: () => Promise.resolve({ cleanup: () => Promise.reject(held) }) },
    })
    expect(said).toEqual({
      code: 1,
      out: '',
      err: 'fairlead: lock /b: held by pid 7\ntry: stop that agent\n',
    })
  })
})

describe('agent', () => {
  test('hands its words on untouched and exits as it does', async () => {
    let got: readonly string[] = []
    const agent = () =>
      Promise.resolve({
        main: (words: readonly string[]) => {
          got = words
          return Promise.resolve(7)
        },
      })
    const said = await say(['agent', '--node-name', 'n', '-v=2'], { doors: { agent } })
    expect(said.code).toBe(7)
    expect(got).toEqual(['--node-name', 'n', '-v=2'])
  })
})

describe('completion', () => {
  const complete = async (...words: string[]): Promise<string[]> =>
    (await say(['__complete', ...words])).out.split('\n').slice(0, -1)

  test('offers nouns, verbs, flags and their values', async () => {
    expect(await complete('s')).toEqual(['service', 'status'])
    expect(await complete('service', '')).toEqual(['get', 'list'])
    expect(await complete('service', 'list', '--no')).toEqual(['--no-headers'])
    expect(await complete('service', 'list', '-o', '')).toEqual(['json', 'table'])
    expect(await complete('completion', '')).toEqual(['bash', 'fish', 'zsh'])
    const flags = await complete('agent', '--')
    for (const { name } of agentFlags) if (name.length > 1) expect(flags).toContain(`--${name}`)
    expect(await complete('nonsense', '')).toEqual([])
  })

  test('offers no live names without an agent, and is silent about it', async () => {
    const said = await say(['__complete', 'service', 'get', '--run-dir', '/nonexistent', ''])
    expect(said).toEqual({ code: 0, out: '', err: '' })
  })

  test.each(['bash', 'zsh', 'fish'])('the %s script asks fairlead __complete', async (shell) => {
    const said = await say(['completion', shell])
    expect(said.code).toBe(0)
    expect(said.out).toContain('fairlead __complete')
  })

  test('the bash script is accepted by bash', async () => {
    const { out } = await say(['completion', 'bash'])
    const bash = spawn('bash', ['-n'], { stdio: ['pipe', 'ignore', 'pipe'] })
    bash.stdin.end(out)
    expect(await once(bash, 'close')).toEqual([0, null])
  })
})

describe('version', () => {
  test('knows its own, and that of an agent only where one answers', async () => {
    const said = await say(['version', '-o', 'json', '--run-dir', '/nonexistent'])
    expect(JSON.parse(said.out)).toMatchObject({ kind: 'Version', agentVersion: '' })
    expect((await say(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('the process', () => {
  test('a reader that leaves early is no failure', async () => {
    const entry = join('agent', 'cli', 'main.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', entry, 'help', 'exit-codes'])
    child.stdout.destroy()
    let err = ''
    child.stderr.on('data', (part: Buffer) => (err += part.toString()))
    expect(await once(child, 'close')).toEqual([0, null])
    expect(err).toBe('')
  }, 20_000)
})
