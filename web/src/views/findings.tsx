/** What is wrong. */
import { checked } from '../app/store';

export function Findings() {
  const check = checked.value;
  if (!check) return <p>Checking ...</p>;
  return (
    <section aria-label="Findings">
      <p>Verdict: {check.verdict}</p>
      <ul>
        {check.findings.map((finding, number) => (
          <li key={number} data-code={finding.code}>
            {finding.severity}: {finding.message} [{finding.code}] {finding.freebsd}
          </li>
        ))}
      </ul>
    </section>
  );
}
