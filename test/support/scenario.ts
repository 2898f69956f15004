/**
 * Scenario files: prose, commands, Kubernetes objects, and the maps they come to.
 *
 *   sizes MAP=N …          of the maps of this scenario; first
 *   apply FILE …           creates or changes objects
 *   delete FILE …          deletes them
 *   maps FILE              the maps must read so; UPDATE=1 writes FILE anew instead
 *   restart                a cold agent: it must not write a single entry
 *   problem REASON NAME    the Service has this problem
 *   no problems
 *   removed ADDRESS:PORT … these backends, and no others, went since the last time
 */
import { equal, ok } from 'node:assert/strict'
import type { FakeSizes } from '../../agent/maps/fake.ts'
import { dumpMap, dumpText } from '../../agent/maps/text.ts'
import type { Maps } from '../../agent/maps/table.ts'
import { formatEndpoint } from '../../agent/model/address.ts'
import { keyOf } from '../../agent/model/key.ts'
import { Rig } from './rig.ts'
import type { Txtar } from './txtar.ts'

export interface Stage {
  readonly maps: Maps
  /** The same maps to look at: without injected failures. */
  readonly look: Maps
  /** Rows and stores so far; undefined where they are not counted. */
  readonly writes?: () => number
  /** The agent is down at each change, and cold at each look. */
  readonly isCold: boolean
}

export interface Step {
  readonly line: number
  readonly command: string
  readonly words: readonly string[]
}

export function stepsOf({ comment }: Txtar): Step[] {
  return comment.split('\n').flatMap((text, i) => {
    const [command, ...words] = text.replace(/#.*/, '').trim().split(/\s+/)
    return command === undefined || command === '' ? [] : { line: i + 1, command, words }
  })
}

export function sizesOf(steps: readonly Step[]): Partial<FakeSizes> {
  const words = steps.filter(({ command }) => command === 'sizes').flatMap(({ words }) => words)
  const sizes: Record<string, number> = {}
  for (const word of words) {
    const [map = '', size] = word.split('=')
    sizes[map] = Number(size)
  }
  return sizes
}

export class Scenario {
  /** What was seen where a file is compared: what UPDATE=1 writes. */
  readonly updated = new Map<string, string>()
  readonly #files: ReadonlyMap<string, string>
  readonly #stage: Stage
  readonly #rig: Rig
  #removed = 0

  constructor(txtar: Txtar, stage: Stage) {
    this.#files = txtar.files
    this.#stage = stage
    this.#rig = new Rig(stage.maps)
  }

  async run(steps: readonly Step[], isUpdate: boolean): Promise<void> {
    this.#rig.start()
    await this.#rig.settle()
    for (const step of steps) {
      try {
        await this.#run(step, isUpdate)
      } catch (error) {
        if (error instanceof Error) {
          error.message = `line ${step.line}: ${step.command} ${step.words.join(' ')}: ${error.message}`
        }
        throw error
      }
    }
    this.#rig.stop()
  }

  async #run({ command, words }: Step, isUpdate: boolean): Promise<void> {
    const [first = ''] = words
    switch (command) {
      case 'sizes':
        return
      case 'apply':
        return this.#change(() => words.forEach((name) => this.#rig.put(this.#file(name), name)))
      case 'delete':
        return this.#change(() => words.forEach((name) => this.#rig.remove(this.#file(name), name)))
      case 'maps': {
        const text = dumpText(this.#stage.look)
        if (!isUpdate) equal(text, this.#file(first))
        else equal(text, this.updated.get(first) ?? text)
        this.updated.set(first, text)
        return
      }
      case 'restart':
        return this.#restart()
      case 'problem':
        return this.#problem(first, words[1] ?? '')
      case 'no':
        return equal(
          this.#rig.sync
            .status()
            .problems.map(({ message }) => message)
            .join('\n'),
          '',
        )
      case 'removed':
        return this.#checkRemoved(words)
      default:
        throw new Error('no such command')
    }
  }

  async #change(change: () => void): Promise<void> {
    if (this.#stage.isCold) this.#rig.stop()
    change()
    if (this.#stage.isCold) this.#rig.start()
    await this.#rig.settle()
  }

  async #restart(): Promise<void> {
    const numbers = (): string[] =>
      (['frontends', 'services', 'backends', 'members'] as const).flatMap((name) =>
        dumpMap(this.#stage.look, name),
      )
    const before = numbers()
    const writes = this.#stage.writes?.()
    this.#rig.stop()
    this.#rig.start()
    await this.#rig.settle()
    equal(numbers().join('\n'), before.join('\n'))
    equal(this.#stage.writes?.(), writes, 'a restart without changes writes nothing')
  }

  #problem(reason: string, name: string): void {
    const { problems } = this.#rig.sync.status()
    const found = problems.find((one) => one.reason === reason && keyOf(one.ref) === name)
    ok(found, `the problems are ${JSON.stringify(problems)}`)
    ok(found.message !== '' && found.remedy !== '', 'it says what is wrong and what to do')
  }

  #checkRemoved(words: readonly string[]): void {
    const texts = this.#rig.removed
      .slice(this.#removed)
      .map(({ address, port }) => formatEndpoint(address, port))
    this.#removed = this.#rig.removed.length
    equal(texts.sort().join(' '), [...words].sort().join(' '))
  }

  #file(name: string): string {
    const text = this.#files.get(name)
    if (text === undefined) throw new Error(`the scenario has no file ${name}`)
    return text
  }
}
