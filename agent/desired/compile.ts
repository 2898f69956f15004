/** The wishes of all Services together: each alone by `desireService`, then who owns what. */
import { keyOf } from '../model/key.ts'
import type { ObjectKey } from '../model/objects.ts'
import type { Store } from '../model/store.ts'
import { claimantOf, Claims } from './claims.ts'
import type { DesiredService } from './desired.ts'
import type { NodeFacts } from './facts.ts'
import { desireNothing, desireService } from './service.ts'

/** What compiling reads of the store. */
export type Objects = Pick<Store, 'service' | 'slicesOf'>

/**
 * In two steps, so that a cold start knows every claim before the first Service is written:
 * `for (const key of compiler.claim(dirty)) write(compiler.desire(key))`.
 */
export class Compiler {
  readonly #objects: Objects
  readonly #claims = new Claims()
  #facts: NodeFacts

  constructor(objects: Objects, facts: NodeFacts) {
    this.#objects = objects
    this.#facts = facts
  }

  get facts(): NodeFacts {
    return this.#facts
  }

  /** Afterwards every Service is to be claimed and desired anew. */
  setFacts(facts: NodeFacts): void {
    this.#facts = facts
  }

  /**
   * Takes note of changed Services, also of those that are gone. Returns those whose wish may have
   * changed, each once: the same ones, and others that won or lost a frontend by it. The winner
   * may come before the loser: a frontend is to be removed only while it is still the loser's.
   */
  claim(changed: Iterable<ObjectKey>): ObjectKey[] {
    const keys = new Set(changed)
    const affected = new Set<ObjectKey>()
    for (const key of keys) {
      const service = this.#objects.service(key)
      const next = service === undefined ? undefined : claimantOf(service, this.#facts)
      this.#claims.claim(key, next, affected)
    }
    for (const key of affected) keys.add(key)
    return [...keys]
  }

  /** The wish for one Service, without frontends that belong to others. */
  desire(key: ObjectKey): DesiredService {
    const service = this.#objects.service(key)
    if (service === undefined) return desireNothing(key)
    return this.#claims.award(desireService(service, this.#objects.slicesOf(key), this.#facts))
  }
}

/** Every Service of a store, in the order of its table. For tests and tools. */
export function compileAll(
  store: Objects & Pick<Store, 'services'>,
  facts: NodeFacts,
): DesiredService[] {
  const compiler = new Compiler(store, facts)
  const keys = [...store.services()].map(({ ref }) => keyOf(ref))
  return compiler.claim(keys).map((key) => compiler.desire(key))
}
