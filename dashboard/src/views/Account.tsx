import { useMutation } from "@tanstack/react-query";

import { type Session, changeWorkspace, signOut } from "../api/access";
import select from "../ui/Select.module.css";

/** Whose data is shown, and the way out; nothing where nobody has to sign in. */
export function Account({ session }: { session: Session }) {
  const leaving = useMutation({ mutationFn: signOut, onSuccess: loadAnew });
  const changing = useMutation({ mutationFn: changeWorkspace, onSuccess: loadAnew });
  if (!session.auth_required) return null;
  return (
    <>
      {session.workspaces.length > 1 && (
        <label>
          <span className="visually-hidden">Workspace</span>
          <select
            className={select["select"]}
            value={session.workspace?.workspace_id}
            onChange={(event) => {
              changing.mutate(event.target.value);
            }}
          >
            {session.workspaces.map((each) => (
              <option key={each.workspace_id} value={each.workspace_id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
      <button
        type="button"
        className={select["select"]}
        onClick={() => {
          leaving.mutate();
        }}
      >
        Sign out
      </button>
    </>
  );
}

/** Nothing of what was shown stays in the page's memory. */
function loadAnew() {
  window.location.reload();
}
