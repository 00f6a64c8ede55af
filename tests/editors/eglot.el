;;; Emacs with eglot: completes after a prefix, unsays what came, completes again; its last line is JSON.
;;; Order on the command line, after --: the Python, the file to edit, the prefix to type.

(require 'eglot)
(require 'json)

(setq eglot-sync-connect 30
      eglot-connect-timeout 30
      eglot-confirm-server-initiated-edits nil
      make-backup-files nil)

(defun unsay-completed ()
  "What completion at the end of the buffer inserts there."
  (goto-char (point-max))
  (let ((here (point)))
    (eglot--signal-textDocument/didChange)
    (completion-at-point)
    (buffer-substring-no-properties here (point-max))))

(defun unsay-completed-patiently ()
  "The same, asked again until the language server has found its server."
  (let ((tries 100) (said ""))
    (while (and (string-empty-p said) (> (setq tries (1- tries)) 0))
      (accept-process-output nil 0.1)
      (setq said (unsay-completed)))
    said))

(pcase-let ((`(,python ,file ,prefix) (cdr (member "--" command-line-args))))
  (setq command-line-args-left nil)
  (add-to-list 'eglot-server-programs `(python-mode ,python "-I" "-m" "unsay" "lsp"))
  (find-file file)
  (python-mode)
  (call-interactively 'eglot)
  (insert prefix)
  (let* ((server (eglot-current-server))
         (start (point))
         (first (unsay-completed-patiently))
         (range (list :start (eglot--pos-to-lsp-position start)
                      :end (eglot--pos-to-lsp-position (point-max)))))
    (eglot-execute-command server 'unsay.unsaySelection
                           (vector (eglot--path-to-uri file) range))
    (delete-region start (point-max))
    (let ((again (unsay-completed)))
      (princ (concat "\n" (json-encode `((first . ,first) (again . ,again))))))
    (set-buffer-modified-p nil)
    (eglot-shutdown server)))
