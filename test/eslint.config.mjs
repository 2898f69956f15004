/** ESLint's rules: `eslint --config test/eslint.config.mjs .`; style is prettier's business. */
import { fileURLToPath } from 'node:url'

import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['**/node_modules/', 'dist/', 'build/', '**/*.gen.*', '**/*.d.ts'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: fileURLToPath(new URL('..', import.meta.url)),
      },
    },
    rules: {
      // An agent that forgets a promise forgets an error.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // A new kind, state or reason must show every place that decides by it.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // Interfaces of ours are async where one implementation of them is.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports: name it.' },
        { selector: 'ExportAllDeclaration', message: 'No barrels: import from where it stands.' },
      ],
    },
  },
  {
    // Tools want their configuration as a default export.
    files: ['test/*.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
)
