//! Checkpoints saved and loaded again, and checkpoints that are damaged.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use trimtab_core::Seed;
use trimtab_nn::{
    Architecture, Checkpoint, CheckpointError, Classifier, HeadError, HeadStart, Keep, Model,
    ModelConfig, Padding, Pooling, SaveError, TokenBatch,
};

use crate::golden::{MODELS, device, folder, load, numbers};

fn reload(folder: &Path) -> Result<Model, CheckpointError> {
    Checkpoint::open(folder)?.load(&device())
}

fn hidden(model: &Model) -> Vec<f32> {
    let rows = [vec![1_u32, 17, 42, 5], vec![66, 3]];
    let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
    numbers(&model.transformer.forward(&batch, Keep::Last).unwrap().last)
}

/// Name, kind and shape, and bytes, of every tensor in a file.
type Tensors = BTreeMap<String, (String, Vec<u8>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    (file.iter())
        .map(|(name, view)| {
            let kind = format!("{:?} {:?}", view.dtype(), view.shape());
            (name.to_owned(), (kind, view.data().to_vec()))
        })
        .collect()
}

#[test]
fn what_is_saved_is_what_was_loaded() {
    let out = tempfile::tempdir().unwrap();
    for name in MODELS {
        let model = load(name);
        let to = out.path().join(name);
        model.save(&to).unwrap();
        // Saving over it again is fine.
        model.save(&to).unwrap();
        assert_eq!(hidden(&reload(&to).unwrap()), hidden(&model), "{name}");
        assert!(!to.join(".saving").exists());
        let from = folder(name).join("model.safetensors");
        if from.exists() {
            assert!(
                tensors(&from) == tensors(&to.join("model.safetensors")),
                "{name}: other tensors"
            );
        }
    }
}

#[test]
fn a_classifier_comes_back_with_its_head() {
    let out = tempfile::tempdir().unwrap();
    for name in ["gpt2_classify", "llama_classify"] {
        let classifier = Classifier::with_own_head(load(name), Pooling::LastToken).unwrap();
        let to = out.path().join(name);
        classifier.save(&to).unwrap();
        let again = Classifier::with_own_head(reload(&to).unwrap(), Pooling::LastToken).unwrap();
        let rows = [vec![1_u32, 17, 42, 5], vec![66, 3]];
        assert_eq!(
            again.predict(&rows, 2).unwrap(),
            classifier.predict(&rows, 2).unwrap()
        );
        let from = folder(name).join("model.safetensors");
        assert!(
            tensors(&from) == tensors(&to.join("model.safetensors")),
            "{name}: other tensors"
        );
        let config = fs::read_to_string(to.join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["id2label"]["1"], "LABEL_1");
    }
    // A head over a language model, which has an output map of its own: that is left out.
    let classifier = Classifier::new(load("llama"), Pooling::LastToken, 3);
    classifier.save(out.path()).unwrap();
    let names = tensors(&out.path().join("model.safetensors"));
    assert!(names.contains_key("score.weight") && !names.contains_key("lm_head.weight"));
    let again = Classifier::with_own_head(reload(out.path()).unwrap(), Pooling::LastToken);
    assert_eq!(again.unwrap().n_outputs(), 3);
}

#[test]
fn a_reward_head_is_random_by_its_seed_and_comes_back_as_a_classifier_of_one_output() {
    let begin = |n_outputs, seed| {
        let start = HeadStart::Normal { seed: Seed(seed) };
        Classifier::begin(load("llama"), Pooling::LastToken, n_outputs, start)
    };
    // 32 · 1000 numbers of variance 1/33: their mean square is known to 1 %.
    let head = begin(1000, 1).head();
    let width = head.len() / 1000;
    let square = head.iter().map(|x| f64::from(x * x)).sum::<f64>() / head.len() as f64;
    let ratio = square * (width as f64 + 1.0);
    assert!((0.97..1.03).contains(&ratio), "{ratio}");
    assert_eq!(begin(1, 1).head(), begin(1, 1).head());
    assert_ne!(begin(1, 1).head(), begin(1, 2).head());

    let out = tempfile::tempdir().unwrap();
    let reward = begin(1, 3);
    reward.save(out.path()).unwrap();
    let config = fs::read_to_string(out.path().join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["architectures"][0], "LlamaForSequenceClassification");
    assert_eq!(config["id2label"], serde_json::json!({"0": "LABEL_0"}));
    let again = reload(out.path()).unwrap();
    let again = Classifier::with_own_head(again, Pooling::LastToken).unwrap();
    let rows = [vec![1_u32, 17, 42, 5], vec![66, 3]];
    let rewards = again.predict(&rows, 2).unwrap();
    assert_eq!(rewards, reward.predict(&rows, 2).unwrap());
    assert!(rewards.len() == 2 && rewards[0] != rewards[1]);
}

#[test]
fn an_encoder_keeps_its_pooler_beside_the_head() {
    let out = tempfile::tempdir().unwrap();
    let classifier = Classifier::new(load("bert"), Pooling::Mean, 2);
    classifier.save(out.path()).unwrap();
    let names = tensors(&out.path().join("model.safetensors"));
    let mut expected = tensors(&folder("bert/model.safetensors"));
    expected.insert(
        "score.weight".into(),
        ("F32 [2, 32]".into(), vec![0; 4 * 64]),
    );
    assert!(names == expected);
    let model = reload(out.path()).unwrap();
    assert_eq!(model.config().architecture, Architecture::Bert);
    assert!(Classifier::with_own_head(model, Pooling::Mean).is_ok());
}

#[test]
fn heads_are_read_in_half_precision_and_bad_ones_refused() {
    let with_head = |dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>| {
        let out = tempfile::tempdir().unwrap();
        load("llama_classify").save(out.path()).unwrap();
        let path = out.path().join("model.safetensors");
        let old = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&old).unwrap();
        let mut views: Vec<_> = file.tensors();
        views.retain(|(name, _)| name != "score.weight");
        let head = TensorView::new(dtype, shape, &bytes).unwrap();
        views.push(("score.weight".to_owned(), head));
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        Classifier::with_own_head(reload(out.path()).unwrap(), Pooling::LastToken)
    };
    let width = load("llama_classify").transformer.definition().width;
    let one = half::f16::from_f32(1.5).to_le_bytes().repeat(width);
    let head = with_head(Dtype::F16, vec![1, width], one.clone()).unwrap();
    assert_eq!(head.head(), vec![1.5; width]);
    let error = with_head(Dtype::F16, vec![width, 1], one).unwrap_err();
    assert!(matches!(error, HeadError::Shape { .. }));
    let nan = f32::NAN.to_le_bytes().repeat(width);
    let error = with_head(Dtype::F32, vec![1, width], nan).unwrap_err();
    assert_eq!(error, HeadError::Numbers);
    let error = Classifier::with_own_head(load("llama"), Pooling::LastToken).unwrap_err();
    assert_eq!(error, HeadError::None);
}

#[test]
fn a_new_model_is_made_from_its_seed() {
    let text = fs::read_to_string(folder("qwen2/config.json")).unwrap();
    let config = ModelConfig::parse(&text).unwrap();
    let model = |seed| Model::new(config.clone(), &device(), Seed(seed));
    assert_eq!(hidden(&model(1)), hidden(&model(1)));
    assert_ne!(hidden(&model(1)), hidden(&model(2)));
    let out = tempfile::tempdir().unwrap();
    model(1).save(out.path()).unwrap();
    assert_eq!(hidden(&reload(out.path()).unwrap()), hidden(&model(1)));
}

#[test]
fn a_save_that_fails_leaves_the_previous_one_good() {
    let out = tempfile::tempdir().unwrap();
    let source = out.path().join("source");
    load("gpt2").save(&source).unwrap();
    let model = reload(&source).unwrap();
    let to = out.path().join("to");
    model.save(&to).unwrap();
    // The tokenizer cannot be copied: a directory is in its place.
    fs::create_dir(source.join("tokenizer.json")).unwrap();
    let error = model.save(&to).unwrap_err();
    assert!(
        matches!(&error, SaveError::Copy { path, .. } if path.ends_with("tokenizer.json")),
        "{error}"
    );
    assert_eq!(hidden(&reload(&to).unwrap()), hidden(&model));
    assert!(!to.join(".saving").exists());
}

/// The test runs itself again with a limit of 20 KiB on files, which the system enforces by ending it, or by
/// refusing to write, in the middle of the weights.
#[cfg(unix)]
#[test]
fn a_save_that_is_cut_off_leaves_the_previous_one_good() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    const TO: &str = "TRIMTAB_TEST_SAVE_TO";
    const SIGXFSZ: i32 = 25;
    if let Some(to) = std::env::var_os(TO) {
        load("gpt2").save(Path::new(&to)).unwrap();
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let model = load("gpt2");
    model.save(out.path()).unwrap();
    let before = fs::read(out.path().join("model.safetensors")).unwrap();
    let name = "checkpoints::a_save_that_is_cut_off_leaves_the_previous_one_good";
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -f 40; exec \"$0\" --exact {name}")])
        .arg(std::env::current_exe().unwrap())
        .env(TO, out.path())
        .output()
        .unwrap();
    let refused = String::from_utf8_lossy(&child.stdout).contains("Weights");
    let ended = child.status.signal() == Some(SIGXFSZ);
    assert!(ended || refused, "{child:?}");
    assert!(fs::read(out.path().join("model.safetensors")).unwrap() == before);
    assert_eq!(hidden(&reload(out.path()).unwrap()), hidden(&model));
    // What is left of the attempt is no obstacle.
    model.save(out.path()).unwrap();
    assert!(!out.path().join(".saving").exists());
}

/// Loads a copy of `name` that `change` was let loose on.
fn damaged(name: &str, change: impl FnOnce(&Path)) -> CheckpointError {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    change(copy.path());
    let error = reload(copy.path()).map(|_| ()).unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Replaces the header by `header`, and keeps the numbers.
fn with_header(bytes: &mut Vec<u8>, change: impl FnOnce(String) -> String) {
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = change(String::from_utf8(bytes[8..8 + size].to_vec()).unwrap());
    let mut fresh = (header.len() as u64).to_le_bytes().to_vec();
    fresh.extend(header.bytes());
    fresh.extend(&bytes[8 + size..]);
    *bytes = fresh;
}

#[test]
fn damaged_files_are_named() {
    let weights = |change: fn(&mut Vec<u8>)| {
        damaged("gpt2", |folder| {
            edit(&folder.join("model.safetensors"), change);
        })
    };
    let error = weights(|bytes| bytes.truncate(bytes.len() - 1));
    assert!(matches!(error, CheckpointError::Length { expected, got, .. } if expected == got + 1));
    let error = weights(|bytes| bytes.truncate(5));
    assert!(
        error
            .to_string()
            .ends_with("bad safetensors header: the file has 5 bytes"),
        "{error}"
    );
    for size in [u64::MAX, 1 << 40, 70 << 20] {
        let error = damaged("gpt2", |folder| {
            edit(&folder.join("model.safetensors"), |bytes| {
                bytes[..8].copy_from_slice(&size.to_le_bytes());
            });
        });
        assert!(
            error
                .to_string()
                .contains(&format!("its header claims {size} bytes")),
            "{error}"
        );
    }
    let error = weights(|bytes| with_header(bytes, |_| "{".repeat(100)));
    assert!(matches!(error, CheckpointError::Header { .. }), "{error}");
    // Two tensors in one place.
    let error = weights(|bytes| {
        with_header(bytes, |header| {
            let mut json: serde_json::Value = serde_json::from_str(&header).unwrap();
            json["transformer.ln_f.bias"]["data_offsets"] =
                json["transformer.ln_f.weight"]["data_offsets"].clone();
            json.to_string()
        });
    });
    assert!(matches!(error, CheckpointError::Header { .. }), "{error}");
    // A shape whose product overflows.
    let error = weights(|bytes| {
        with_header(bytes, |header| {
            let mut json: serde_json::Value = serde_json::from_str(&header).unwrap();
            json["transformer.ln_f.bias"]["shape"] = serde_json::json!([u64::MAX, 2]);
            json.to_string()
        });
    });
    assert!(matches!(error, CheckpointError::Header { .. }), "{error}");
    for poison in [f32::NAN, f32::INFINITY] {
        let error = damaged("gpt2", |folder| {
            edit(&folder.join("model.safetensors"), |bytes| {
                let at = bytes.len() - 4;
                bytes[at..].copy_from_slice(&poison.to_le_bytes());
            });
        });
        assert!(
            matches!(&error, CheckpointError::NotFinite { tensor, .. } if tensor.contains('.')),
            "{error}"
        );
    }
    let error = damaged("gpt2", |folder| {
        fs::remove_file(folder.join("model.safetensors")).unwrap();
    });
    assert!(matches!(error, CheckpointError::NoWeights { .. }));
    let error = damaged("gpt2", |folder| {
        fs::write(folder.join("config.json"), "[]").unwrap();
    });
    assert!(matches!(&error, CheckpointError::Config { .. }) && error.source().is_some());
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let renamed = |from: &'static str, to: &'static str| {
        damaged("gpt2", |folder| {
            edit(&folder.join("model.safetensors"), |bytes| {
                with_header(bytes, |header| {
                    assert!(header.contains(from));
                    header.replace(from, to)
                });
            });
        })
    };
    let error = renamed("transformer.h.1.ln_2.bias", "transformer.h.1.ln_9.bias");
    let expected = "model.safetensors has no tensor `transformer.h.1.ln_2.bias`";
    assert!(error.to_string().ends_with(expected), "{error}");
    let error = damaged("gpt2", |folder| {
        edit(&folder.join("config.json"), |bytes| {
            *bytes = String::from_utf8(bytes.clone())
                .unwrap()
                .replace("\"n_layer\": 2", "\"n_layer\": 1")
                .into();
        });
    });
    assert!(
        matches!(&error, CheckpointError::Extra { tensor, architecture: "gpt2", .. } if tensor.starts_with("transformer.h.1.")),
        "{error}"
    );
    let error = damaged("gpt2", |folder| {
        edit(&folder.join("config.json"), |bytes| {
            *bytes = String::from_utf8(bytes.clone())
                .unwrap()
                .replace("\"vocab_size\": 96", "\"vocab_size\": 97")
                .into();
        });
    });
    let expected = "tensor `transformer.wte.weight` is [96, 32], config.json makes it [97, 32]";
    assert!(error.to_string().ends_with(expected), "{error}");
    let error = renamed("\"dtype\":\"F32\"", "\"dtype\":\"I32\"");
    assert!(
        matches!(&error, CheckpointError::Kind { got, .. } if got == "I32"),
        "{error}"
    );
    // A language model without its output map is not taken for a trunk.
    let error = damaged("llama", |folder| {
        edit(&folder.join("model.safetensors"), |bytes| {
            with_header(bytes, |header| {
                header.replace("lm_head.weight", "score.weight")
            });
        });
    });
    assert!(
        matches!(&error, CheckpointError::Missing { tensor, .. } if tensor == "lm_head.weight"),
        "{error}"
    );
}

#[test]
fn an_index_that_contradicts_its_files_is_named() {
    let index = |change: fn(String) -> String| {
        damaged("llama_tied_bf16", |folder| {
            edit(&folder.join("model.safetensors.index.json"), |bytes| {
                *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into();
            });
        })
    };
    let error = index(|text| text.replace("\"model.norm.weight\"", "\"model.other.weight\""));
    assert!(
        matches!(&error, CheckpointError::Missing { tensor, .. } if tensor == "model.other.weight"),
        "{error}"
    );
    let error = index(|text| text.replace("model-00001-of", "../model-00001-of"));
    assert!(matches!(error, CheckpointError::Index { .. }), "{error}");
    let error = index(|_| "{}".to_owned());
    assert!(error.to_string().contains("weight_map"), "{error}");
    let error = damaged("llama_tied_bf16", |folder| {
        fs::remove_file(folder.join("model-00002-of-00003.safetensors")).unwrap();
    });
    assert!(
        matches!(&error, CheckpointError::Read { path, .. } if path.ends_with("model-00002-of-00003.safetensors")),
        "{error}"
    );
}
